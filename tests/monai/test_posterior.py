"""`RandPosteriorSampled(d)`: solved in the loop, with the embedded prior at 64 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, MetaTensor, list_data_collate
from monai.transforms import Compose

from medaug.errors import AnnotationError, ProfileError
from medaug.monai import RandPosteriorSampled, RandPosteriorSampledd, posterior
from medaug.quality.checks import CheckName
from tests.support import make
from tests.support.small_runs import small_profile

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own

COLOURS = torch.as_tensor(np.random.default_rng(0).integers(0, 256, (3, 8, 8))).float()
PLANE = [[20.0, 30.0, 45.0, 50.0]]  # column, row


def image(slices: int = 1) -> MetaTensor:
    """(1, columns, rows(, slices)): 64 columns of 80 rows."""
    stored = make.volume((slices, 80, 64), seed=5).stored.astype(np.float32)
    array = stored[0].T[None] if slices == 1 else stored.T[None]
    return MetaTensor(torch.as_tensor(np.ascontiguousarray(array)), affine=torch.diag(torch.tensor([0.5, 0.5, 2.0, 1])))


def options(
    folder: Path, least_change: float | None = None, law: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    checks = {name: [None, None] for name in get_args(CheckName)} | {"change": [least_change, None]}
    profile = small_profile(folder, checks=checks, **({"regions": law} if law else {}))
    return {"profile": profile, "prob": 1.0, "device": "cpu", "cache": folder / "cache", "variants": 1, **changes}


def test_the_box_stays_and_the_rest_changes_and_is_kept_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = RandPosteriorSampled(**options(tmp_path))
    given = image()
    first, changed = chosen(given, PLANE)
    assert changed
    assert (type(first), first.shape, first.dtype) == (type(given), given.shape, given.dtype)
    assert torch.equal(first.affine, given.affine)
    assert torch.equal(first[:, 20:45, 30:50], given[:, 20:45, 30:50])
    assert float((first != given).float().mean()) > 0.2
    monkeypatch.setattr(posterior, "augment", None)  # what would solve again
    again, _ = RandPosteriorSampled(**options(tmp_path))(given.numpy(), torch.tensor(PLANE))
    assert np.array_equal(again, first.numpy())
    with pytest.raises(TypeError):
        RandPosteriorSampled(**options(tmp_path, seed=1))(given, PLANE)


def test_a_grey_picture_in_red_green_and_blue_is_solved_as_grey_and_keeps_its_channels(tmp_path: Path) -> None:
    grey = torch.as_tensor(make.limb(80, 64, seed=3).T[None] * 255).round().float()
    alone, _ = RandPosteriorSampled(**options(tmp_path))(grey, PLANE)
    alike, changed = RandPosteriorSampled(**options(tmp_path))(grey.repeat(3, 1, 1), PLANE)
    assert changed
    assert torch.equal(alike, alone.repeat(3, 1, 1))
    given = grey.clamp(max=252).repeat(3, 1, 1)
    given[2] += (torch.arange(80) % 3 == 0) * 2.0  # as JPEG's chroma leaves it
    off, changed = RandPosteriorSampled(**options(tmp_path))(given, PLANE)
    assert changed
    assert torch.equal(off[:, 20:45, 30:50], given[:, 20:45, 30:50])
    moved = (off != given).any(dim=0)
    assert float(moved.float().mean()) > 0.2
    assert torch.equal(off[0][moved], off[2][moved])


def test_a_volume_keeps_its_box_on_every_slice(tmp_path: Path) -> None:
    given = image(3)
    chosen = RandPosteriorSampledd(keys="image", **options(tmp_path))
    item = chosen({"image": given, "box": np.array([[20, 30, 1, 45, 50, 3]])})
    assert item["medaug"]["synthetic"]
    assert torch.equal(item["image"][:, 20:45, 30:50, 1:3], given[:, 20:45, 30:50, 1:3])
    assert all(bool((item["image"][..., k] != given[..., k]).any()) for k in range(3))


def test_a_variant_that_fails_its_checks_is_not_used(tmp_path: Path) -> None:
    chosen = RandPosteriorSampled(**options(tmp_path, least_change=1e9))
    given = image()
    for _ in range(2):  # solved, then from the cache
        same, changed = chosen(given, PLANE)
        assert same is given
        assert not changed


def test_two_workers_and_a_cached_data_set(tmp_path: Path) -> None:
    chosen = RandPosteriorSampledd(keys="image", **options(tmp_path, prob=0.5))
    items = [{"image": image(), "box": PLANE} for _ in range(6)]
    data = CacheDataset(items, Compose([chosen]), progress=False)
    order = torch.Generator().manual_seed(0)
    loader = DataLoader(data, batch_size=1, num_workers=2, collate_fn=list_data_collate, generator=order)
    drawn = [bool(batch["medaug"]["synthetic"][0]) for _ in range(2) for batch in loader]
    assert set(drawn) == {True, False}
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("given", "boxes", "message"),
    [
        (torch.zeros(2, 8, 8), [[1, 1, 2, 2]], "one channel first"),
        (torch.zeros(3, 8, 8, 4), [[1, 1, 2, 2]], "one channel first"),
        (torch.full((3, 8, 8), 0.5), [[1, 1, 2, 2]], "whole numbers from 0 to 255"),
        (COLOURS, [[1, 1, 2, 2]], "colour: its channels differ"),
        (torch.zeros(1, 8, 8), [], "expected a box"),
        (torch.zeros(1, 8, 8), [[9, 9, 12, 12]], "outside"),
        (torch.zeros(1, 8, 8), [[1, 1, 1, 2, 2, 2]], "4 numbers each"),
    ],
)
def test_what_can_not_be_solved_is_refused(given: torch.Tensor, boxes: Any, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        RandPosteriorSampled(prob=1.0, device="cpu")(given, boxes)


@pytest.mark.parametrize("profile", ["bone-xray-moved", "bone-xray-transplant"])
def test_a_profile_whose_labels_are_others_is_refused(profile: str) -> None:
    with pytest.raises(ProfileError, match="moves or adds labels"):
        RandPosteriorSampled(profile)


def test_surroundings_move_around_a_box_that_stays(tmp_path: Path) -> None:
    law = {"kind": "moved", "what": "surroundings", "margin": {"value": 0}}
    chosen = RandPosteriorSampled(**options(tmp_path, law=law))
    was = image()
    now, changed = chosen(was, PLANE)
    assert changed
    assert torch.equal(now[:, 20:45, 30:50], was[:, 20:45, 30:50])
    assert float((now != was).float().mean()) > 0.5
