"""Is one arm better than another? A paired bootstrap over patients and seeds, Holm's correction, and its power.

A figure such as AP50 belongs to a set of test images, so patients are resampled as weights on them. Both arms of a pair
share the test images, the training images, the seed and the drawn weights: what they have in common cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy import stats

from medaug.imaging.seeds import generator

Float64 = npt.NDArray[np.float64]
Metric = Callable[[Float64], Float64]  # weights of a fold's groups (resamples, groups) → the figure under each
RESAMPLES = 1000
LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True)
class PairedTraining:
    """Two trainings that differ in nothing but the arm.

    Attributes:
        fold: of the test images.
        seed: of the training set and the training.
        arm: the figure that is asked about.
        control: the figure it is compared with.
    """

    fold: int
    seed: int
    arm: Metric
    control: Metric

    def difference(self, weights: Float64) -> Float64:
        """The arm's figure less the control's."""
        return self.arm(weights) - self.control(weights)


@dataclass(frozen=True)
class Effect:
    """A difference of two arms, with what is known of its error.

    Attributes:
        estimate: mean over folds of the mean over seeds.
        error: standard error, over patients and seeds.
        seed_error: the part of it that more seeds would reduce.
        freedom: degrees of freedom of ``error`` (Satterthwaite).
        seeds: per fold, the fewest.
    """

    estimate: float
    error: float
    seed_error: float
    freedom: float
    seeds: int

    @property
    def interval(self) -> tuple[float, float]:
        """Two-sided, at `LEVEL`."""
        reach = float(stats.t.ppf((1 + LEVEL) / 2, self.freedom)) * self.error
        return self.estimate - reach, self.estimate + reach

    @property
    def p(self) -> float:
        """Two-sided, of no difference; 1 where nothing varies and nothing differs."""
        if self.error == 0:
            return 1.0 if self.estimate == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.estimate) / self.error, self.freedom))

    @property
    def detectable(self) -> float:
        """The least true difference that this design finds with `POWER`, at `LEVEL`."""
        return float(stats.t.ppf((1 + LEVEL) / 2, self.freedom) + stats.t.ppf(POWER, self.freedom)) * self.error

    def seeds_for(self, difference: float) -> int | None:
        """How many seeds a fold would find ``difference`` with `POWER`; None: no number does, for want of patients."""
        wanted = (difference / (stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER))) ** 2
        room = wanted - max(0.0, self.error**2 - self.seed_error**2)
        if room <= 0:
            return None
        return max(2, int(np.ceil(self.seed_error**2 * self.seeds / room)))


def effect(
    pairs: Sequence[PairedTraining], groups: Mapping[int, int], *seed: str | int, resamples: int = RESAMPLES
) -> Effect:
    """The mean difference over folds and seeds, and its error by a paired bootstrap over patients and seeds.

    One draw less than there are seeds and groups is made of each fold: with as many, a bootstrap of so few seeds
    understates their variance by (n - 1) / n. The interval is Student's, since few seeds estimate it.

    Args:
        pairs: all trainings; at least two seeds in each fold.
        groups: of each fold, how many: patients with their near-duplicates.
        seed: names the draws.
        resamples: how many.

    Raises:
        ValueError: a fold has fewer than two seeds or groups.

    Source: Rao & Wu, JASA 83 (1988) 231, for the draws; Satterthwaite, Biometrics Bulletin 2 (1946) 110.
    """
    ordered = sorted(pairs, key=lambda pair: (pair.fold, pair.seed))
    folds = [(fold, list(some)) for fold, some in groupby(ordered, key=lambda pair: pair.fold)]
    if not folds or min(len(some) for _, some in folds) < 2 or min(groups.values()) < 2:
        raise ValueError("effect: expected at least two seeds and two groups in each fold")
    parts = [_fold(some, groups[fold], generator("bootstrap", *seed, fold), resamples) for fold, some in folds]
    estimate = float(np.mean([seen.mean() for seen, _ in parts]))
    variance = float(np.mean([drawn for _, drawn in parts], axis=0).var(ddof=1))
    of_seeds = float(np.sum([seen.var(ddof=1) / len(seen) for seen, _ in parts])) / len(parts) ** 2
    of_seeds = min(of_seeds, variance)
    freedom = _freedom(
        (of_seeds, sum(len(seen) - 1 for seen, _ in parts)), (variance - of_seeds, sum(groups.values()) - len(groups))
    )
    return Effect(estimate, variance**0.5, of_seeds**0.5, freedom, min(len(some) for _, some in folds))


def _fold(
    pairs: Sequence[PairedTraining], groups: int, rng: np.random.Generator, resamples: int
) -> tuple[Float64, Float64]:
    """The differences of a fold's seeds as they are, and the resampled means of them."""
    weights = rng.multinomial(groups - 1, np.full(groups, 1 / groups), size=resamples).astype(np.float64)
    whole = np.ones((1, groups))
    seen = np.array([pair.difference(whole)[0] for pair in pairs])
    drawn = np.stack([pair.difference(weights) for pair in pairs])
    picks = rng.multinomial(len(pairs) - 1, np.full(len(pairs), 1 / len(pairs)), size=resamples) / (len(pairs) - 1)
    return seen, np.asarray((drawn * picks.T).sum(axis=0))


def _freedom(*parts: tuple[float, float]) -> float:
    """Of a sum of independent variances (variance, its degrees of freedom)."""
    below = sum(variance**2 / freedom for variance, freedom in parts)
    return float(sum(variance for variance, _ in parts) ** 2 / below) if below > 0 else float(parts[-1][1])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values: rejecting those up to α keeps the chance of any false rejection at α.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    worst = 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return tuple(float(p) for p in adjusted)
