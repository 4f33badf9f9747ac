"""How much is new, in grey levels and beyond the source's own noise."""

from __future__ import annotations

import numpy as np
import pytest

from medaug.benchmark.realism.patches import SlicePair
from medaug.benchmark.realism.variety import variety
from medaug.quality.reduced import Before

FREE = np.zeros((80, 80), dtype=bool)
FREE[:, 40:] = True


def test_change_is_in_grey_levels_of_the_free_region() -> None:
    real = np.full((80, 80), 0.5, dtype=np.float32)
    made = real.copy()
    made[:40, 40:] += np.float32(10 / 255)
    found = variety([SlicePair("a", real, made, FREE)])
    assert found.change == pytest.approx(5, abs=1e-3)
    assert found.share == pytest.approx(0.5)


def test_change_within_the_noise_is_not_new() -> None:
    rng = np.random.default_rng(2)
    real = (0.5 + 0.03 * rng.normal(size=(80, 80))).astype(np.float32)
    assert Before(real, FREE).noise == pytest.approx(0.03, rel=0.1)
    little = real + np.where(FREE, np.float32(0.02), 0)
    much = real + np.where(FREE, np.float32(0.1), 0)
    assert variety([SlicePair("a", real, little, FREE)]).share == 0
    assert variety([SlicePair("a", real, much, FREE)]).share == 1


def test_no_free_region_is_said() -> None:
    with pytest.raises(ValueError, match="no image has a free region"):
        variety([SlicePair("a", np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32), np.zeros((8, 8), bool))])
