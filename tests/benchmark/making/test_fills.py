from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np

from medaug.augmentation.augment import augment
from medaug.augmentation.case import Case
from medaug.augmentation.recipe import Recipe
from medaug.benchmark.making.fills import Fill, filling
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.small_runs import small_profile


def test_fills_change_the_free_region_and_nothing_else(tmp_path: Path) -> None:
    """As a variant does, each in its own way; blur and noise ask no prior."""
    profile = load_profile(small_profile(tmp_path))
    volume = make.volume((1, 96, 80), seed=3)
    boxes = (make.lesion((1, 96, 80)),)
    rough = {}
    for kind in get_args(Fill):
        variant = augment(Case(volume, boxes), Recipe.of(volume, boxes, profile), filling(kind, profile))
        differs, free = variant.volume.stored != volume.stored, variant.regions.free
        assert not (differs & variant.regions.protected).any()
        assert differs[free].mean() > 0.3, kind
        rough[kind], plain = (_steps(one, free) for one in (variant.volume.stored, volume.stored))
    assert rough["blur"] < plain < rough["noise"]


def _steps(stored: np.ndarray, free: np.ndarray) -> float:
    """Mean difference of neighbours in the free region."""
    both = free[0][:, 1:] & free[0][:, :-1]
    return float(np.abs(np.diff(stored[0].astype(float), axis=1))[both].mean())
