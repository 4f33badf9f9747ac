"""A judge finds what is planted, doesn't find what isn't there, and never meets a group twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medaug.benchmark.realism import judge as module
from medaug.benchmark.realism.judge import judge
from medaug.benchmark.realism.patches import SIDE, Patches

GROUPS, EACH = 16, 6


def _patches(effect: float) -> Patches:
    """Noise of each group's own brightness and grain; the generated ones are smoother by ``effect``."""
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(GROUPS), EACH)
    made = np.tile([False, True], GROUPS * EACH // 2)
    grain = rng.normal(size=(len(groups), SIDE, SIDE))
    smooth = (grain + np.roll(grain, 1, 1) + np.roll(grain, 1, 2)) / 3
    mixed = np.where(made[:, None, None], (1 - effect) * grain + effect * smooth, grain)
    pixels = 0.5 + 0.02 * groups[:, None, None] + 0.05 * mixed
    return Patches(pixels.astype(np.float32), made, groups.astype(np.int64))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 20)
    monkeypatch.setattr(module, "BATCH", 24)
    monkeypatch.setattr(module, "FOLDS", 2)


def test_what_differs_is_told_and_what_does_not_is_not() -> None:
    found = judge(_patches(1.0), seed=1)
    assert found.told.low > 0.8
    assert found.null.low < 0.5 < found.null.high
    assert (found.patches, found.groups) == (GROUPS * EACH, GROUPS)
    same = judge(_patches(0.0), seed=1)
    assert 0.3 < same.told.value < 0.7  # 48 patches of either kind: a standard error of .06


def test_it_follows_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 2)
    first = judge(_patches(0.5), seed=3)
    assert judge(_patches(0.5), seed=3) == first
    assert judge(_patches(0.5), seed=4) != first


def test_no_group_is_learned_from_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[set[int]] = []
    real_learn = module._learn

    def learn(patches: Patches, seed: int) -> torch.nn.Sequential:
        learned.append(set(patches.groups.tolist()))
        return real_learn(patches, seed)

    monkeypatch.setattr(module, "_learn", learn)
    monkeypatch.setattr(module, "STEPS", 2)
    judge(_patches(0.0), seed=1)
    left_out = [set(range(GROUPS)) - groups for groups in learned]
    assert all(left_out)
    assert sum(len(groups) for groups in left_out) == 2 * GROUPS  # each judged once, and once more in the null


def test_too_few_groups_are_refused() -> None:
    patches = _patches(0.0)
    with pytest.raises(ValueError, match="at least 4 patients or images, found 3"):
        judge(patches.where(patches.groups < 3), seed=1)
