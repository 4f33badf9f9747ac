"""Shapes in a slice, against the plain way of finding them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medaug.imaging.volume import Mask
from medaug.regions.domains.morphology import large_parts

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
