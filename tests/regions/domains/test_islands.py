"""Islands, against labelling every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medaug.imaging.volume import Mask
from medaug.regions.domains import islands as module
from medaug.regions.domains.islands import islands

DRAW = np.random.default_rng(0)
MASKS = {
    "dense": DRAW.random((2, 90, 70)) < 0.7,
    "sparse": DRAW.random((3, 90, 70)) < 0.03,
    "nearly full": DRAW.random((1, 90, 70)) < 0.99,
    "a slice below a slice": np.pad(np.ones((2, 3, 9), dtype=np.bool_), ((0, 0), (0, 40), (0, 0))),
    "a row beside a row": np.pad(np.ones((1, 2, 12), dtype=np.bool_), ((0, 0), (0, 0), (12, 0))),
    "a spiral": np.array([[[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]]], dtype=np.bool_),
    "one column": DRAW.random((2, 40, 1)) < 0.5,
    "one row": DRAW.random((2, 1, 40)) < 0.5,
    "empty": np.zeros((2, 12, 13), dtype=np.bool_),
    "full": np.ones((2, 12, 13), dtype=np.bool_),
    "no slice": np.zeros((0, 4, 4), dtype=np.bool_),
}


def plainly(mask: Mask, least: int) -> Mask:
    found = np.zeros_like(mask)
    for one, here in zip(mask, found, strict=True):
        labels, count = ndimage.label(one)
        for n in range(1, count + 1):
            here[labels == n] = (labels == n).sum() < least
    return found


@pytest.mark.parametrize("crowded", [0.0, 1 / 16, 1.0])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("least", [1, 2, 25, 28])
def test_islands_are_the_small_parts(name: str, least: int, crowded: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROWDED", crowded)  # 0 for labels, 1 for runs
    mask = MASKS[name]
    before, found = mask.copy(), np.zeros(mask.size, dtype=np.bool_)
    found[islands(mask, least)] = True
    np.testing.assert_array_equal(found.reshape(mask.shape), plainly(mask, least))
    np.testing.assert_array_equal(mask, before)
