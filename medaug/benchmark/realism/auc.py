"""The area under the ROC curve, and how sure it is when its cases come in groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Scores = NDArray[np.float64]
RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def auc(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive case has the higher score, ties counted half (Mann and Whitney, 1947).

    NaN where one kind is missing.
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return float("nan")
    above = rankdata(scores)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * others))


def estimate(scores: Scores, positive: NDArray[np.bool_], groups: NDArray[np.int64], seed: int) -> Estimate:
    """The area with a percentile interval over groups drawn with replacement (Efron, 1979).

    Patches of a patient aren't independent, so patients are drawn.
    """
    members = [np.flatnonzero(groups == one) for one in np.unique(groups)]
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([members[n] for n in rng.integers(0, len(members), len(members))])
        drawn.append(auc(scores[chosen], positive[chosen]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(auc(scores, positive), float(low), float(high))
