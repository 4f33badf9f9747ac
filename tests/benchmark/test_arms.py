from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medaug.benchmark.arms.arm import Adding, Material
from medaug.benchmark.arms.arm_table import ARMS, chosen
from medaug.benchmark.arms.copies import nothing
from medaug.benchmark.arms.made import made
from medaug.benchmark.design.design import Design
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture
from medaug.benchmark.request import BenchmarkRequest
from medaug.errors import RunError
from medaug.execution.planning.request import RunRequest
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.profile.strength import with_strength

SIDE = 64
MOVED = load_profile("bone-xray-moved")


def real(n: int) -> Picture:
    """Grey, with a bright lesion that the box encloses."""
    pixels = np.full((SIDE, SIDE), 60 + n, np.uint8)
    top, left = 10 + 3 * n, 30 - 2 * n
    pixels[top : top + 8, left : left + 12] = 240
    corners = np.array([[left, top, left + 12, top + 8]], dtype=np.float64)
    return Picture(f"{n}" * 64, pixels, Boxes.labelled(corners, np.zeros(1, dtype=np.int64)))


def variant(picture: Picture, number: int) -> Picture | None:
    """As a run would make it; nothing of the image 0 passed."""
    if picture.source[0] == "0":
        return None
    pixels = np.where(picture.pixels > 200, picture.pixels, picture.pixels - 20 - number).astype(np.uint8)
    return Picture(picture.source, pixels, picture.boxes)


def adding_of(name: str) -> list[Adding]:
    """What an arm adds before its real images, and what beside them."""
    arm = ARMS[name]
    return [adding for adding in (arm.first, arm.add) if adding not in (None, nothing)]


MATERIAL = Material([real(n) for n in range(4)], 6, seed=3, made=variant)


@pytest.mark.parametrize("name", [name for name in ARMS if name != "real"])
def test_every_arm_adds_as_many_images_each_standing_for_the_same_real_one(name: str) -> None:
    for adding in adding_of(name):
        added = adding(MATERIAL)
        assert [picture.source for picture in added] == [picture.source for picture, _ in MATERIAL.turns]
        assert {picture.source for picture in added} <= {picture.source for picture in MATERIAL.real}
        assert [picture.digest for picture in added] == [picture.digest for picture in adding(MATERIAL)]


@pytest.mark.parametrize("name", [name for name in ARMS if name != "real"])
def test_boxes_hold_the_lesion_whatever_was_done(name: str) -> None:
    added = [picture for adding in adding_of(name) for picture in adding(MATERIAL)]
    for picture in added:
        for x0, y0, x1, y1 in picture.boxes.corners:
            inside = picture.pixels[round(y0) : round(y1), round(x0) : round(x1)]
            assert np.median(inside) > 150
    assert sum(len(picture.boxes.corners) for picture in added) >= 6


def test_a_variant_that_was_refused_is_stood_for_by_its_source() -> None:
    added = ARMS["medaug"].add(MATERIAL)
    same = {picture.digest for picture in MATERIAL.real}
    assert {picture.source[0] for picture in added if picture.digest in same} == {"0"}


def test_naive_copies_of_variants_differ_from_naive_ones_every_other_turn_only() -> None:
    naive, both = (ARMS[name].add(MATERIAL) for name in ("naive", "naive+medaug"))
    differ = [a.digest != b.digest for a, b in zip(naive, both, strict=True)]
    assert not any(differ[::2])
    assert any(differ[1::2])


def test_naive_copies_follow_naive_copies_of_variants() -> None:
    arm = ARMS["pretraining+naive"]
    assert arm.first is not None
    assert [picture.digest for picture in arm.add(MATERIAL)] == [p.digest for p in ARMS["naive"].add(MATERIAL)]
    bright = [picture.pixels.max() for picture in arm.first(MATERIAL)]
    assert min(bright) > 150  # lesions, turned and re-exposed
    variants = {picture.digest for picture in ARMS["medaug"].add(MATERIAL)}
    assert not variants & {picture.digest for picture in arm.first(MATERIAL)}


def test_erasing_spares_the_boxes_and_pasting_brings_one() -> None:
    for before, after in zip([p for p, _ in MATERIAL.turns], ARMS["random-erasing"].add(MATERIAL), strict=True):
        x0, y0, x1, y1 = before.boxes.corners[0].astype(int)
        assert (after.pixels[y0:y1, x0:x1] == before.pixels[y0:y1, x0:x1]).all()
        assert (after.pixels != before.pixels).any()
    assert all(len(picture.boxes.corners) == 2 for picture in ARMS["copy-paste"].add(MATERIAL))


def test_arms_are_named_with_profile_and_strength_where_a_run_makes_them() -> None:
    assert chosen("medaug@strong").strength == "strong"
    assert chosen("naive+medaug").strength == ""
    both = chosen("pretraining:bone-xray-surroundings@strong")
    assert (both.arm.profile, both.strength, both.arm.first) == ("bone-xray-surroundings", "strong", made)
    assert "bone-xray-surroundings" in both.arm.says
    for wrong in ("medaug@", "naive@0.5", "mixup", "naive:paper", "medaug:", "medaug:mine.yaml", "medaug:a/b"):
        with pytest.raises(RunError, match=wrong):
            chosen(wrong)


def test_an_arm_is_made_by_its_own_profile() -> None:
    request = asked(())
    assert request.profile_of(chosen("medaug")).name == "bone-xray"
    assert request.profile_of(chosen("medaug:bone-xray-moved")).name == "bone-xray-moved"
    assert request.profile_of(chosen("medaug:bone-xray-transplant")).name == "bone-xray-transplant"


def test_arms_name_profiles_of_the_users_own() -> None:
    mine = MOVED.model_copy(update={"name": "mine"})
    request = asked((mine,), "medaug:mine@strong", "naive+medaug:mine")
    assert request.profile_of(chosen("medaug:mine")) == mine
    assert request.profile_of(chosen("medaug:mine@strong")) == with_strength(mine, "strong")
    assert request.run_of(chosen("naive+medaug:mine")).profile == mine
    with pytest.raises(RunError, match=r"no such profile; .*bone-xray.*, mine, .*--arm-profile"):
        asked((mine,), "medaug:yours")
    with pytest.raises(RunError, match="two profiles are named bone-xray-moved"):
        asked((MOVED,))


def asked(profiles: tuple[Profile, ...], *arms: str) -> BenchmarkRequest:
    run = RunRequest(Path("in"), load_profile("bone-xray"))
    return BenchmarkRequest(run, Path("bench"), Design(arms=("duplicates", "medaug", *arms)), profiles=profiles)
