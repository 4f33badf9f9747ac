"""The area under the curve by hand, and intervals that know of groups."""

from __future__ import annotations

import numpy as np
import pytest

from medaug.benchmark.realism.auc import auc, estimate


def test_area_by_hand() -> None:
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    positive = np.array([False, False, True, True])
    assert auc(scores, positive) == pytest.approx(3.5 / 4)  # 2>1, 2=2 counts half, 3>1, 3>2
    assert np.isnan(auc(scores, np.ones(4, dtype=bool)))


def test_interval_is_wider_where_groups_are_few() -> None:
    rng = np.random.default_rng(3)
    positive = np.tile([False, True], 200)
    of_group = np.repeat(rng.normal(size=8), 50)  # what the patches of a group share
    scores = np.where(positive, of_group, -of_group) + 0.5 * rng.normal(size=400) + 0.4 * positive
    few = estimate(scores, positive, np.repeat(np.arange(8), 50), seed=1)
    many = estimate(scores, positive, np.arange(400) // 2, seed=1)
    assert few.value == many.value
    assert few.low <= few.value <= few.high
    assert few.high - few.low > 2 * (many.high - many.low)
