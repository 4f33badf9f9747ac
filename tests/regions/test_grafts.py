"""What is drawn of host and donor: the place that looks alike, the grey levels that fit, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar
from medaug.imaging.graft import GREY, Graft, area_of
from medaug.imaging.volume import Volume
from medaug.regions.grafts import GraftLimits, Host, draw_graft, unlike
from medaug.regions.laws import with_margin
from tests.support import make

LESION = Box((0, 96, 70), (1, 120, 92), "fracture")
LIMITS = GraftLimits(0.06, 0.5, 3)
GROW = partial(with_margin, 0.01, "relative", 256)


def donor(seed: int = 3) -> Volume:
    volume = make.volume((1, 240, 200), seed=seed)
    return replace(volume, source=replace(volume.source, patient="donor"))


def host(down: int = 12, along: int = 8) -> Volume:
    """The donor's limb in another patient's image: shifted, and half as bright."""
    of = donor()
    plane = np.roll(of.stored[0], (down, along), axis=(0, 1)) // 2 + np.uint16(100)
    source = replace(of.source, patient="host", sha256=("f" * 64,))
    return replace(of, stored=plane[None], source=source)


def drawn(of: Volume | None = None, seed: int = 1, **fields: object) -> Graft:
    volume = of or host()
    there = Host(volume, (), np.ones(volume.geometry.shape, dtype=bool))
    return draw_graft(LIMITS, GROW, replace(there, **fields), (donor(), LESION), seed)  # type: ignore[arg-type]


def test_the_place_and_the_grey_levels_of_the_same_limb_elsewhere_are_found() -> None:
    graft = drawn()
    assert graft.shift == (12, 8)
    assert graft.grey.slope == pytest.approx(GREY / 2, rel=0.02)
    assert graft.grey.offset == pytest.approx(100 * GREY, rel=0.05)
    (top, bottom, left, right), (area, window) = (96, 120, 70, 92), (graft.area, graft.window)
    assert area == (top - 3, bottom + 3, left - 3, right + 3)  # 1 % of 240 px, rounded up
    assert window == tuple(edge + by for edge, by in zip(area, (12 - 15, 12 + 15, 8 - 15, 8 + 15), strict=True))
    assert drawn() == graft


def test_a_lesion_of_the_host_s_own_what_is_kept_and_the_domain_are_left_alone() -> None:
    there = Box((0, 118, 84), (1, 122, 88), "fracture")  # in the middle of where it would go
    free = np.zeros((1, 240, 200), dtype=bool)
    kept = free.copy()
    kept[0, 118:122, 84:88] = True
    window = area_of(drawn(boxes=(there,)).window)
    assert not kept[0][window].any()
    for fields in ({"kept": kept}, {"domain": free}):
        with pytest.raises(RegionError, match="no place") as caught:
            drawn(**fields)
        assert caught.value.code == "no-place"


def test_who_can_not_go_together_says_why() -> None:
    one, other = host(), donor()
    assert unlike(one, other) == ""
    source = one.source
    for changed, why in (
        (replace(one, source=replace(source, modality="DX")), "modality"),
        (replace(one, source=replace(source, patient="donor")), "same patient"),
        (replace(one, inverted=True), "the other way"),
        (replace(one, geometry=planar(240, 200, (0.3, 0.3))), "spacing"),
        (replace(one, geometry=planar(240, 200, None)), "spacing"),
        (other, "same image"),
    ):
        assert why in unlike(changed, other)
        with pytest.raises(RegionError) as caught:
            drawn(changed)
        assert caught.value.code == "no-place"


def test_volumes_and_real_numbers_are_refused() -> None:
    with pytest.raises(RegionError) as caught:
        drawn(make.volume((4, 64, 64)))
    assert caught.value.code == "not-planar"
    with pytest.raises(RegionError) as caught:
        drawn(replace(host(), stored=host().stored.astype(np.float32)))
    assert caught.value.code == "not-whole"


def test_another_part_has_no_place() -> None:
    spread = np.random.default_rng(5)
    noise = replace(host(), stored=spread.integers(0, 4000, (1, 240, 200)).astype(np.uint16))
    with pytest.raises(RegionError, match="surroundings"):
        drawn(noise)
