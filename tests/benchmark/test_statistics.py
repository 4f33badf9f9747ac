from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medaug.benchmark.statistics import Effect, Float64, Metric, PairedTraining, effect, holm

NOTHING: Metric = lambda weights: np.zeros(len(weights))  # noqa: E731
FOLDS, SEEDS, PATIENTS = 3, 4, 40


def mean_of(values: Float64) -> Metric:
    return lambda weights: weights @ values / weights.sum(axis=1)


def simulated(true: float, rng: np.random.Generator) -> Effect:
    """Differences of a patient, of a training, and of both together, each by chance."""
    pairs = []
    for fold in range(FOLDS):
        of_patients = rng.normal(0, 0.2, PATIENTS)
        for seed in range(SEEDS):
            noise = of_patients + rng.normal(0, 0.04) + rng.normal(0, 0.1, PATIENTS)
            pairs.append(PairedTraining(fold, seed, mean_of(true + noise), NOTHING))
    return effect(pairs, dict.fromkeys(range(FOLDS), PATIENTS), 1, resamples=300)


def test_of_200_nulls_the_stated_share_is_called_an_effect() -> None:
    rng = np.random.default_rng(7)
    found = sum(simulated(0.0, rng).p < 0.05 for _ in range(200))
    low, high = stats.binom.ppf([0.005, 0.995], 200, 0.05)
    assert low <= found <= high


def test_a_planted_effect_is_found_as_often_as_the_design_says() -> None:
    rng = np.random.default_rng(8)
    planted = simulated(0.0, rng).detectable
    effects = [simulated(planted, rng) for _ in range(100)]
    assert 0.68 <= np.mean([one.p < 0.05 for one in effects]) <= 0.92
    assert np.mean([low <= planted <= high for low, high in (one.interval for one in effects)]) >= 0.88


def test_the_error_is_that_of_patients_and_seeds_together() -> None:
    """Each of the two alone would understate it."""
    errors = [simulated(0.0, np.random.default_rng(n)).error for n in range(60)]
    of_patients = (0.2**2 + 0.1**2 / SEEDS) / PATIENTS
    expected = ((of_patients + 0.04**2 / SEEDS) / FOLDS) ** 0.5
    assert np.mean(errors) == pytest.approx(expected, rel=0.06)


def test_seeds_beyond_reach_are_told_apart_from_many_seeds() -> None:
    known = Effect(0.0, error=0.05, seed_error=0.04, freedom=50, seeds=4)
    assert known.seeds_for(0.15) == 4
    assert known.seeds_for(0.10) == 18
    assert known.seeds_for(0.08) is None


def test_what_never_differs_is_no_effect_and_what_always_does_is_one() -> None:
    pairs = [PairedTraining(0, seed, mean_of(np.zeros(5)), NOTHING) for seed in range(2)]
    assert effect(pairs, {0: 5}, 1).p == 1
    pairs = [PairedTraining(0, seed, mean_of(np.ones(5)), NOTHING) for seed in range(2)]
    assert effect(pairs, {0: 5}, 1).p == 0


def test_one_seed_says_nothing_about_seeds() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        effect([PairedTraining(0, 0, mean_of(np.ones(5)), NOTHING)], {0: 5}, 1)


def test_holm_is_as_published() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
