"""Patches come from the same places of both images, lie in the free region, and keep to their groups."""

from __future__ import annotations

import numpy as np
import pytest

from medaug.benchmark.realism.patches import PER_IMAGE, SHARE, SIDE, SlicePair, halves, patch_corners, patches_of

RNG = np.random.default_rng(5)


def _pair(group: str, free: np.ndarray) -> SlicePair:
    real = RNG.random(free.shape, dtype=np.float32)
    return SlicePair(group, real, np.where(free, real + 2, real).astype(np.float32), free)


def test_each_place_gives_a_real_and_a_generated_patch_of_its_group() -> None:
    free = np.zeros((120, 200), dtype=bool)
    free[10:110, 60:190] = True
    found = patches_of([_pair("a", free), _pair("b", free), _pair("a", free)], seed=1)
    real, made = found.pixels[~found.made], found.pixels[found.made]
    assert len(real) == len(made) > 6
    assert set(np.unique(np.round(made - real))) <= {0.0, 2.0}  # the same place
    assert ((made - real > 1).mean(axis=(1, 2)) >= SHARE - 1e-6).all()
    assert set(found.groups.tolist()) == {0, 1}
    assert found.pixels.shape[1:] == (SIDE, SIDE)


def test_places_are_few_apart_and_inside() -> None:
    free = np.ones((300, 300), dtype=bool)
    chosen = np.array(list(patch_corners(free, np.random.default_rng(0))))
    assert len(chosen) == PER_IMAGE
    assert chosen.min() >= 0
    assert chosen.max() <= 300 - SIDE
    for n, one in enumerate(chosen):
        for other in chosen[:n]:
            assert np.clip(SIDE - abs(one - other), 0, None).prod() <= SIDE**2 / 4


def test_no_room_is_said() -> None:
    with pytest.raises(ValueError, match="no free region has room for a patch of 48 px"):
        patches_of([_pair("a", np.ones((40, 400), dtype=bool)), _pair("b", np.zeros((90, 90), dtype=bool))], seed=1)


def test_halves_are_real_ones_of_half_the_groups() -> None:
    found = patches_of([_pair(name, np.ones((60, 60), dtype=bool)) for name in "abcdef"], seed=1)
    null = halves(found, seed=2)
    assert len(null) == (~found.made).sum()
    assert len(np.unique(null.groups[null.made])) == len(np.unique(null.groups[~null.made])) == 3
    assert not set(null.groups[null.made]) & set(null.groups[~null.made])
