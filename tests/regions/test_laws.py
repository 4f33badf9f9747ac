"""The laws: pure functions whose polarity, statistics and refusals are fixed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations

import numpy as np
import pytest

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.volume import Mask
from medaug.regions import laws
from medaug.regions.regions import Regions

Law = Callable[[Mask, Sequence[Box], int], Regions]
LAWS: dict[str, Law] = {
    "gaussian-outside": laws.gaussian_outside,
    "outside": laws.outside,
    "inside": laws.inside,
    "random-outside": partial(laws.random_outside, rate=0.3),
}
DRAWN = ("gaussian-outside", "random-outside")
BOXES = (Box((0, 10, 12), (1, 22, 30), "a"), Box((0, 18, 26), (1, 30, 40), "b"), Box((0, 50, 3), (1, 55, 9), "a"))


def everywhere(shape: tuple[int, int, int] = (1, 64, 48)) -> Mask:
    return np.ones(shape, dtype=np.bool_)


def half() -> Mask:
    domain = everywhere()
    domain[:, :, 34:] = False
    return domain


def in_boxes(shape: tuple[int, int, int] = (1, 64, 48), boxes: Sequence[Box] = BOXES) -> Mask:
    found = np.zeros(shape, dtype=np.bool_)
    for box in boxes:
        found[box.slices] = True
    return found


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_law_is_a_pure_function(law: Law) -> None:
    domain = half()
    first = law(domain, BOXES, 7)
    again = law(domain, BOXES, 7)
    assert first.protected.tobytes() == again.protected.tobytes()
    assert first.observed.tobytes() == again.observed.tobytes()
    assert (domain == half()).all()


@pytest.mark.parametrize("name", DRAWN)
def test_another_seed_observes_other_voxels_and_protects_the_same(name: str) -> None:
    one, other = LAWS[name](half(), BOXES, 1), LAWS[name](half(), BOXES, 2)
    assert (one.protected == other.protected).all()
    assert (one.observed != other.observed).mean() > 0.05


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_order_of_the_boxes_does_not_matter(law: Law) -> None:
    draws = {law(half(), boxes, 3).observed.tobytes() for boxes in permutations(BOXES)}
    assert len(draws) == 1


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_protected_is_observed_and_free_lies_in_the_domain(law: Law) -> None:
    regions = law(half(), BOXES, 3)
    assert not (regions.protected & ~regions.observed).any()
    assert not (regions.free & ~half()).any()
    assert regions.free.any()


@pytest.mark.parametrize("name", [name for name in LAWS if name != "inside"])
def test_polarity_boxes_are_protected_and_the_domain_around_them_is_free(name: str) -> None:
    regions = LAWS[name](half(), BOXES, 3)
    assert (regions.protected == (in_boxes() | ~half())).all()
    assert regions.protected[0, 15, 20]
    assert regions.free[0, 40, 20]


def test_polarity_inside_is_reversed() -> None:
    regions = laws.inside(half(), BOXES, 3)
    assert (regions.free == (in_boxes() & half())).all()
    assert regions.free[0, 15, 20]
    assert regions.protected[0, 40, 20]
    assert (regions.observed == regions.protected).all()


def test_outside_observes_nothing_that_is_free() -> None:
    regions = laws.outside(half(), BOXES, 3)
    assert (regions.observed == regions.protected).all()


def test_the_native_protection_is_the_laws_own() -> None:
    assert (laws.protect_boxes(half(), BOXES) == laws.gaussian_outside(half(), BOXES, 1).protected).all()
    assert (laws.protect_outside(half(), BOXES) == laws.inside(half(), BOXES, 1).protected).all()


@pytest.mark.parametrize("sigma", [0.16, 0.32])
def test_gaussian_outside_follows_one_minus_phi(sigma: float) -> None:
    shape = (1, 384, 384)
    box = Box((0, 170, 180), (1, 210, 214), "fracture")
    boxes = in_boxes(shape, [box])
    regions = laws.gaussian_outside(everywhere(shape), [box], 11, sigma=sigma)
    distance = exact_distance(shape, box)
    distance /= distance.max()
    for low, high in ((0.0, 0.02), (0.19, 0.21), (0.31, 0.33), (0.5, 0.55), (0.79, 0.81)):
        shell = ~boxes & (distance > low) & (distance <= high)
        expected = np.array([0.5 * math.erfc(d / sigma / math.sqrt(2)) for d in distance[shell]])
        spread = 4.5 * math.sqrt(np.sum(expected * (1 - expected)) + 1)  # 1: where hardly any is expected
        assert abs(regions.observed[shell].sum() - expected.sum()) < spread, (low, high)


def test_a_wrong_sigma_would_be_noticed() -> None:
    shape, box = (1, 384, 384), Box((0, 170, 180), (1, 210, 214), "fracture")
    distance = exact_distance(shape, box)
    shell = np.abs(distance / distance.max() - 0.32) < 0.01
    share = laws.gaussian_outside(everywhere(shape), [box], 11, sigma=0.25).observed[shell].mean()
    assert abs(share - 0.159) > 4.5 * math.sqrt(0.159 * 0.841 / shell.sum())


@pytest.mark.parametrize(
    "box",
    [
        Box((0, 150, 160), (1, 230, 240), "a"),
        Box((0, 60, 80), (1, 150, 150), "a"),
        Box((0, 20, 250), (1, 90, 330), "a"),
    ],
)
def test_the_papers_layouts_observe_12_to_20_percent_outside(box: Box) -> None:
    shape = (1, 384, 384)
    grown = box.grown((0, 16, 16), shape)
    regions = laws.gaussian_outside(everywhere(shape), [grown], 5)
    assert 0.12 <= regions.observed[regions.free].mean() <= 0.25


def test_distance_is_taken_from_the_boxes_not_from_the_background() -> None:
    shape, box = (1, 128, 128), Box((0, 4, 4), (1, 12, 12), "a")
    domain = everywhere(shape)
    domain[0, :, 64:] = False
    regions = laws.gaussian_outside(domain, [box], 5)
    beside_background = regions.observed[0, 100:, 50:64].mean()  # d is about 0.65: 2 % are expected, beside a box 50 %
    assert beside_background < 0.08


def test_sampling_makes_the_law_anisotropic() -> None:
    shape = (9, 41, 41)
    box = Box((4, 20, 20), (5, 21, 21), "a")
    near = np.zeros(2)
    for seed in range(300):
        for n, sampling in enumerate(((1.0, 1.0, 1.0), (20.0, 1.0, 1.0))):
            near[n] += laws.gaussian_outside(everywhere(shape), [box], seed, sampling=sampling).observed[8, 20, 20]
    assert near[0] > 65  # d = 4 / 28.6: 99 of 300 are expected
    assert near[1] < 8  # d = 80 / 84.9: none or one


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_random_outside_has_its_rate(rate: float) -> None:
    regions = laws.random_outside(everywhere((1, 200, 200)), [Box((0, 0, 0), (1, 9, 9), "a")], 1, rate=rate)
    count = regions.free.sum()
    seen = regions.observed[regions.free].sum()
    assert abs(seen - rate * count) <= 4.5 * math.sqrt(count * rate * (1 - rate))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_without_boxes_a_law_refuses(law: Law) -> None:
    with pytest.raises(RegionError, match="no box") as raised:
        law(everywhere(), [], 1)
    assert raised.value.code == "no-boxes"


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_box_off_the_grid_is_refused(law: Law) -> None:
    with pytest.raises(RegionError, match="outside the grid") as raised:
        law(everywhere(), [Box((0, 60, 0), (1, 65, 4), "a")], 1)
    assert raised.value.code == "box-outside"


@pytest.mark.parametrize("name", [name for name in LAWS if name != "inside"])
def test_nothing_free_is_refused(name: str) -> None:
    whole = Box((0, 0, 0), (1, 64, 48), "a")
    for domain, box in ((everywhere(), whole), (~everywhere(), BOXES[0])):
        with pytest.raises(RegionError) as raised:
            LAWS[name](domain, [box], 1)
        assert raised.value.code == "nothing-free"


def test_nothing_kept_is_refused() -> None:
    with pytest.raises(RegionError, match="nothing is observed") as raised:
        laws.inside(everywhere(), [Box((0, 0, 0), (1, 64, 48), "a")], 1)
    assert raised.value.code == "nothing-kept"


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"sampling": (0.0, 1.0, 1.0)}])
def test_senseless_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        laws.gaussian_outside(everywhere(), BOXES, 1, **wrong)
    with pytest.raises(ValueError, match="probability"):
        laws.random_outside(everywhere(), BOXES, 1, rate=1.5)


def series(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Geometry:
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    return Geometry(shape, affine, "patient")


@pytest.mark.parametrize(
    ("margin", "unit", "geometry", "expected"),
    [
        (0.0, "relative", planar(300, 200, None), (0, 0, 0)),
        (0.1, "relative", planar(30, 20, None), (0, 3, 3)),  # 0.1 · 30 is 3.0000000000000004 in binary
        (0.05, "relative", planar(300, 200, (0.2, 0.1)), (0, 15, 30)),  # 60 mm high, 3 mm of it
        (16, "px", planar(384, 300, None), (0, 16, 16)),
        (16, "px", planar(2000, 1500, None), (0, 84, 84)),  # 83.3, rounded up
        (5.0, "mm", planar(300, 200, (0.2, 0.1)), (0, 25, 50)),
        (5.0, "mm", series((20, 64, 64), (3.0, 0.5, 0.7)), (2, 10, 8)),
        (0.1, "relative", series((20, 64, 64), (3.0, 0.5, 0.5)), (0, 7, 7)),
    ],
)
def test_margins_in_voxels(margin: float, unit: str, geometry: Geometry, expected: tuple[int, int, int]) -> None:
    assert laws.margin_voxels(margin, unit, geometry, 384) == expected


def test_a_margin_in_mm_needs_a_spacing() -> None:
    with pytest.raises(RegionError, match="no pixel spacing") as raised:
        laws.margin_voxels(5.0, "mm", planar(30, 20, None), 256)
    assert raised.value.code == "no-spacing"
    with pytest.raises(ValueError, match="margin"):
        laws.margin_voxels(-1.0, "px", planar(30, 20, None), 256)


def exact_distance(shape: tuple[int, int, int], box: Box) -> np.ndarray:
    """Euclidean distance to the nearest voxel of a box, worked out from its corners."""
    gaps = []
    for axis in range(3):
        index = np.arange(shape[axis])
        gap = np.maximum(np.maximum(box.start[axis] - index, index - (box.stop[axis] - 1)), 0)
        gaps.append(gap.reshape([-1 if a == axis else 1 for a in range(3)]).astype(np.float64))
    return np.sqrt(gaps[0] ** 2 + gaps[1] ** 2 + gaps[2] ** 2)
