"""The benchmarks' own measures, held against what is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.measures import FILLS, biharmonic_fill, laplacian_pyramid, patches, sliced_wasserstein

DOWN, ACROSS = np.meshgrid(np.linspace(-0.8, 0.8, 64), np.linspace(-0.5, 0.5, 64), indexing="ij")
RAMP = ((DOWN + ACROSS) / 2).astype(np.float32)
KNOWN = np.random.default_rng(0).random((64, 64)) < 0.2
ALL = np.ones((64, 64), dtype=bool)


def textured(seed: int, contrast: float = 0.2) -> np.ndarray:
    return (RAMP + contrast * np.random.default_rng(seed).normal(size=RAMP.shape)).astype(np.float32)


@pytest.mark.parametrize("name", FILLS)
def test_a_fill_keeps_what_is_known_and_continues_it(name: str) -> None:
    filled = FILLS[name](RAMP, KNOWN)
    np.testing.assert_array_equal(filled[KNOWN], RAMP[KNOWN])
    assert np.abs(filled - RAMP).max() < 0.1


def test_the_biharmonic_fill_has_no_bilaplacian_inside() -> None:
    known = ALL.copy()
    known[20:40, 20:40] = False
    cubic = (DOWN**3 + DOWN * ACROSS**2).astype(np.float32)  # its bilaplacian is zero, on a grid as well
    filled = biharmonic_fill(cubic, known)
    np.testing.assert_allclose(filled, cubic, atol=1e-4)
    assert np.abs(FILLS["Gaussian fill"](cubic, known) - cubic).max() > 0.01


def test_a_pyramid_holds_the_whole_image() -> None:
    bands = laplacian_pyramid(textured(0))
    assert [band.shape for band in bands] == [(64, 64), (32, 32), (16, 16), (8, 8)]
    assert np.abs(laplacian_pyramid(np.full((64, 64), 0.3, dtype=np.float32))[0]).max() < 1e-6


def test_the_distance_sees_blur_and_contrast_and_not_the_draw() -> None:
    real = patches([textured(n) for n in range(4)], [ALL] * 4)
    same = sliced_wasserstein(patches([textured(n) for n in range(4, 8)], [ALL] * 4), real)
    flat = sliced_wasserstein(patches([RAMP] * 4, [ALL] * 4), real)
    strong = sliced_wasserstein(patches([textured(n, 0.4) for n in range(4)], [ALL] * 4), real)
    assert same < 0.1
    assert min(flat, strong) > 0.3
