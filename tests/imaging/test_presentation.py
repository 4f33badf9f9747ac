from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.imaging.presentation import Presentation
from medaug.imaging.resample import coverage, coverage_matrix, cubic_matrix, resize, spread_matrix
from medaug.imaging.volume import Window
from tests.support import make
from tests.support.presented import to_native

WINDOW = Window(2000, 4000)


def view(rows: int, columns: int, size: int = 64, *, inverted: bool = False, aspect: float = 1.0) -> Presentation:
    return Presentation(WINDOW, (rows, columns), (slice(0, rows), slice(0, columns)), size, inverted, aspect)


@pytest.mark.parametrize(("n_in", "n_out"), [(10, 10), (300, 64), (64, 300), (7, 1), (1, 9)])
def test_a_constant_stays_a_constant(n_in: int, n_out: int) -> None:
    np.testing.assert_allclose(cubic_matrix(n_in, n_out).sum(axis=1), 1, atol=1e-6)


def test_same_size_is_the_identity() -> None:
    image = np.random.Generator(np.random.PCG64(0)).normal(size=(2, 9, 11)).astype(np.float32)
    np.testing.assert_allclose(resize(image, (9, 11)), image, atol=1e-6)


def test_shrinking_is_a_low_pass() -> None:
    checkerboard = (np.indices((1, 200, 200)).sum(axis=0) % 2 * 2.0 - 1.0).astype(np.float32)
    assert np.abs(resize(checkerboard, (50, 50))).max() < 0.05


def test_resampling_moves_nothing() -> None:
    ramp = np.tile(np.arange(240, dtype=np.float32), (1, 60, 1))
    small = resize(ramp, (15, 60))
    np.testing.assert_allclose(small[0, 7, 5:-5], (np.arange(60) * 4 + 1.5)[5:-5], atol=1e-2)


def test_aspect_is_kept_and_the_rest_is_black() -> None:
    presented = view(200, 100).present(np.full((1, 200, 100), 2000.0))
    assert presented.shape == (1, 64, 64)
    np.testing.assert_allclose(presented[0, :, 16:48], 0, atol=1e-5)
    assert np.all(presented[0, :, :16] == -1)
    assert np.all(presented[0, :, 48:] == -1)


def test_pixels_that_are_not_square_are_shown_square() -> None:
    assert view(100, 100, aspect=2.0).inner == (64, 32)


def test_monochrome1_is_flipped_here_and_comes_back() -> None:
    values = np.linspace(0, 4000, 64 * 64).reshape(1, 64, 64)
    straight, flipped = view(64, 64), view(64, 64, inverted=True)
    np.testing.assert_allclose(flipped.present(values), -straight.present(values), atol=1e-6)
    step = np.full((1, 1, 1), 0.5, dtype=np.float32)
    assert straight.to_modality_step(step).item() == 1000
    assert flipped.to_modality_step(step).item() == -1000


def test_display_and_modality_steps_undo_each_other() -> None:
    values = np.array([[[100.0, 2500.0, 3900.0]]])
    shown = view(1, 3).to_display(values)
    back = view(1, 3).to_modality_step(shown) + WINDOW.center
    np.testing.assert_allclose(back, values, atol=1e-3)


def test_a_smooth_image_survives_the_way_there_and_back() -> None:
    i, j = np.mgrid[0:300, 0:200]
    values = (2000 + 900 * np.sin(i / 40) * np.cos(j / 30))[None]
    whole = view(300, 200, size=96)
    back = whole.to_modality_step(to_native(whole, whole.present(values))) + WINDOW.center
    assert np.abs(back - values)[:, 8:-8, 8:-8].max() < 30


@pytest.mark.parametrize("size", [16, 33, 64])
def test_a_voxel_that_any_protected_pixel_touches_is_protected(size: int) -> None:
    mask = np.zeros((1, 100, 80), dtype=bool)
    mask[0, 41, 37] = True
    whole = view(100, 80, size=size)
    small = whole.shrink(mask, 0.0)
    assert small.any()
    assert whole.enlarge(small)[0, 41, 37]
    assert not whole.shrink(mask, 0.5).any() or size > 64


def test_coverage_is_a_share() -> None:
    mask = np.zeros((1, 4, 4), dtype=bool)
    mask[0, :3, :2] = True
    np.testing.assert_allclose(coverage(mask, (2, 2))[0], [[1, 0], [0.5, 0]], atol=1e-6)


def test_an_area_presents_only_itself() -> None:
    part = replace(view(100, 100, size=32), area=(slice(20, 60), slice(30, 70)))
    values = np.zeros((1, 100, 100))
    values[:, 20:60, 30:70] = 4000.0
    assert part.present(values).min() == pytest.approx(1)
    native = to_native(part, np.ones((1, 32, 32), dtype=np.float32))
    assert native.sum() == 1600
    assert not part.enlarge(np.ones((1, 32, 32), dtype=bool))[0, :20].any()


def test_of_a_volume_takes_its_shape_spacing_and_photometry() -> None:
    volume = make.volume((1, 30, 20))
    shown = Presentation.of(volume, WINDOW, 64)
    assert shown.shape == (30, 20)
    assert shown.inverted == volume.inverted


def steps(line: np.ndarray, cell: int, first: int) -> tuple[float, float]:
    """Mean |step| across the borders of cells, and elsewhere."""
    step = np.abs(np.diff(line))
    border = np.arange(1, len(line)) % cell == first
    return float(step[border].mean()), float(step[~border].mean())


@pytest.mark.parametrize("first", [0, 4])
def test_steps_between_cells_are_spread_and_nothing_else_is(first: int) -> None:
    spread = spread_matrix(64, 8, first)
    draw = np.random.default_rng(0)
    cells = np.roll(np.repeat(draw.normal(size=8), 8), first)
    at, beside = steps(spread @ cells, 8, first)
    assert steps(cells, 8, first)[1] < 0.3 * steps(cells, 8, first)[0]  # before: all in the borders
    assert at < 2 * beside
    slope = np.linspace(-1, 3, 64)
    np.testing.assert_allclose(spread @ slope, slope, atol=1e-6)
    np.testing.assert_allclose(spread.sum(axis=0), 1, atol=1e-6)  # the sum of a line stays


def test_other_borders_than_the_cells_own_are_left() -> None:
    cells = np.roll(np.repeat(np.random.default_rng(1).normal(size=8), 8), 4)
    assert steps(spread_matrix(64, 8, 0) @ cells, 8, 4)[0] > 0.9 * steps(cells, 8, 4)[0]


@pytest.mark.parametrize(("size", "cell"), [(64, 1), (64, 2), (8, 8)])
def test_a_line_without_cells_is_left(size: int, cell: int) -> None:
    np.testing.assert_array_equal(spread_matrix(size, cell), np.eye(size, dtype=np.float32))


@pytest.mark.parametrize("shape", [(500, 300), (31, 17), (64, 64), (7, 900), (1, 1)])
@pytest.mark.parametrize("new", [(64, 48), (1, 1), (257, 300), (700, 11)])
def test_bands_give_what_the_whole_matrices_give(shape: tuple[int, int], new: tuple[int, int]) -> None:
    image = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    for resample, kernel, of in ((resize, cubic_matrix, image), (coverage, coverage_matrix, image > 0)):
        rows, columns = kernel(shape[0], new[0]), kernel(shape[1], new[1])
        expected = rows.astype(np.float64) @ of @ columns.T
        np.testing.assert_allclose(resample(of, new), expected, atol=3e-6)
