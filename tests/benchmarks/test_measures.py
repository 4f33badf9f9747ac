"""The benchmarks' own measures, held against what is known."""

from __future__ import annotations

import importlib
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.benchmarks.measures import (
    FILLS,
    biharmonic_fill,
    laplacian_pyramid,
    mottle,
    patches,
    quantiles,
    sliced_wasserstein,
    through_plane,
)
from tests.benchmarks.solver_bench import structural_similarity
from tests.benchmarks.solver_plot import scatter

DOWN, ACROSS = np.meshgrid(np.linspace(-0.8, 0.8, 64), np.linspace(-0.5, 0.5, 64), indexing="ij")
RAMP = ((DOWN + ACROSS) / 2).astype(np.float32)
KNOWN = np.random.default_rng(0).random((64, 64)) < 0.2
ALL = np.ones((64, 64), dtype=bool)


def textured(seed: int, contrast: float = 0.2) -> np.ndarray:
    return (RAMP + contrast * np.random.default_rng(seed).normal(size=RAMP.shape)).astype(np.float32)


def blotches(seed: int, height: float) -> np.ndarray:
    """Waves of 16 px with random phases, in shares of display units."""
    down, across = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    waves = np.sin(2 * np.pi * down / 16 + phase[0]) * np.sin(2 * np.pi * across / 16 + phase[1])
    return (height * waves).astype(np.float32)


def test_mottle_sees_clouds_and_neither_grain_nor_what_no_display_shows() -> None:
    calm, free = textured(0, 0.05), ALL.copy()
    grain = textured(3, 0.02) - RAMP
    assert mottle(calm, calm, free) == 0
    assert mottle(calm, calm + blotches(1, 0.2), free) > 3
    assert mottle(calm, calm + grain, free) < 1  # finer than blotches, and less than the source's own
    loud = calm + blotches(2, 0.4)
    assert mottle(loud, loud + blotches(1, 0.2), free) < 1  # where the source has as much of its own
    assert mottle(0 * RAMP, blotches(1, 0.01), free) < 1  # below one grey level
    free[:, :48] = False
    beside = blotches(1, 0.5)
    beside[:, 24:] = 0
    assert mottle(calm, calm + beside, free) < 0.1  # only what is free counts
    free[:] = False
    assert np.isnan(mottle(calm, calm, free))


def test_mottle_is_taken_where_the_source_is_calm() -> None:
    """Half of the source is loud: what is added there doesn't count, what is added to the calm half does."""
    left, right = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    left[:, :32], right[:, 32:] = 1, 1
    source = textured(0, 0.05) + 0.5 * left * blotches(2, 1.0)
    assert mottle(source, source + left * blotches(1, 0.2), ALL) < 1
    assert mottle(source, source + right * blotches(1, 0.2), ALL) > 3


@pytest.mark.parametrize("rows", [1, 2, 300, 900])
def test_quantiles_are_numpy_s(rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=(rows, 5)).astype(np.float32)
    np.testing.assert_allclose(quantiles(values), np.quantile(values, np.linspace(0, 1, 512), axis=0), atol=1e-6)


def test_through_plane_is_how_much_two_slices_differ_over_the_source_s() -> None:
    one, other, new = (textured(seed) for seed in (1, 2, 3))
    assert through_plane([one, other], [one, other], [ALL, ALL]) == 1
    assert through_plane([one, other], [one + new, other + new], [ALL, ALL]) == pytest.approx(1, abs=1e-4)
    assert through_plane([one, other], [one, one + 2 * (other - one)], [ALL, ALL]) == pytest.approx(2, abs=1e-4)
    half = ALL.copy()
    half[:32] = False
    lower = np.where(half, 0, new).astype(np.float32)
    assert through_plane([one, other], [one + lower, other], [ALL, half]) == pytest.approx(1, abs=1e-4)


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


SCRIPTS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith(("test_", "_")))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_can_be_imported(script: str) -> None:
    """A benchmark is run by hand once in a while; what it imports is changed every day."""
    assert importlib.import_module(f"tests.benchmarks.{script}").__doc__


def test_structural_similarity_is_one_for_itself_and_falls_with_noise() -> None:
    image = textured(0)
    assert structural_similarity(image, image) == pytest.approx(1)
    little, much = (structural_similarity(image, image + textured(1, c) - RAMP).mean() for c in (0.05, 0.3))
    assert 1 > little > much > 0


def test_a_plot_holds_every_point_inside_its_frame() -> None:
    points = [("psld", "25 · 0.6", -1.0, 0.03, 0.05), ("ddnm", "12 <b>", -1.4, 0.035, 0.04)]
    root = ET.fromstring(scatter(points, "TFLOP", "distance", "area: diversity"))
    marks = [e for e in root.iter("{http://www.w3.org/2000/svg}circle") if len(e)]
    assert [mark[0].text for mark in marks] == ["psld 25 · 0.6: 0.1000, 0.0300", "ddnm 12 <b>: 0.0398, 0.0350"]
    assert all(0 < float(mark.get("cx")) < 760 and 0 < float(mark.get("cy")) < 460 for mark in marks)
