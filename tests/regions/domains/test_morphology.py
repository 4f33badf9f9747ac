"""Shapes in a slice, against the plain way of finding them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medaug.imaging.volume import Float32, Mask
from medaug.regions.domains import morphology
from medaug.regions.domains.markers import without_markers
from medaug.regions.domains.morphology import ShownRadiograph, large_parts, reduced
from medaug.regions.domains.radiograph import anatomy, within_frame
from tests.support import make

DRAW = np.random.default_rng(0)
MASKS = {
    "dense": DRAW.random((90, 70)) < 0.7,
    "sparse": DRAW.random((90, 70)) < 0.05,
    "one part": np.pad(np.ones((9, 9), dtype=np.bool_), 5),
    "empty": np.zeros((12, 13), dtype=np.bool_),
    "full": np.ones((12, 13), dtype=np.bool_),
}


def plainly(mask: Mask, least: float) -> Mask:
    labels, count = ndimage.label(mask)
    found = np.zeros_like(mask)
    for n in range(1, count + 1):
        part = labels == n
        if part.sum() >= least:
            found |= part
    return found


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("least", [0.5, 2, 25, 82])
def test_large_parts_are_those_of_the_plain_way(name: str, least: float) -> None:
    mask = MASKS[name]
    before = mask.copy()
    np.testing.assert_array_equal(large_parts(mask, least), plainly(mask, least))
    np.testing.assert_array_equal(mask, before)


def test_a_frame_is_reduced_once_for_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(image: Float32, longest: int) -> tuple[Float32, int]:
        asked.append(longest)
        return reduced(image, longest)

    monkeypatch.setattr(morphology, "reduced", counted)
    frame = ShownRadiograph(make.limb(420, 400, seed=2))
    apart = [part(ShownRadiograph(frame.brightness)) for part in (anatomy, within_frame, without_markers)]
    asked.clear()
    together = [part(frame) for part in (anatomy, within_frame, without_markers)]
    assert len(asked) == len({*asked}) == 2
    assert all(np.array_equal(*pair) for pair in zip(apart, together, strict=True))


@pytest.mark.parametrize("side", [1, 3, 7, 55])
@pytest.mark.parametrize("shape", [(90, 70), (5, 8), (1, 30)])
def test_extremes_are_those_of_the_plain_filters(side: int, shape: tuple[int, int]) -> None:
    image = DRAW.random(shape).astype(np.float32)
    least, greatest = morphology.least_around(image, side), morphology.greatest_around(image, side)
    assert least.dtype == greatest.dtype == np.float32
    assert np.array_equal(least, ndimage.minimum_filter(image, side))
    assert np.array_equal(greatest, ndimage.maximum_filter(image, side))
    assert side == 1 or not np.array_equal(least, image)
