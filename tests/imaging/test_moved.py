"""A moved slice: exact in whole numbers, faithful to what it shows."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from medaug.imaging.motion import STEP, Motion, Motions, positions
from medaug.imaging.moved import (
    MovedSlice,
    _median,
    grain,
    kernel,
    lost_of,
    moved_mask,
    moved_plane,
    strips_of,
    trim_of,
)
from tests.support.motions import about_the_middle, local

SHAPE = (120, 100)


def noise(dtype: type = np.uint16, smooth: float = 0.0, seed: int = 1) -> np.ndarray:
    plane = gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), smooth) if smooth else None
    drawn = np.random.default_rng(seed).random(SHAPE) if plane is None else (plane - plane.min()) / np.ptp(plane)
    return (drawn * 4000).astype(dtype)


def test_the_weights_add_up_to_one_and_are_fixed() -> None:
    weights = kernel()
    assert (weights.sum(axis=0) == 4096).all()
    assert weights[:, 0].tolist() == [0, 0, 4096, 0, 0, 0]
    assert (weights[:, 1:32] == weights[::-1, :32:-1]).all()  # a third to the right mirrors a third to the left
    assert hashlib.sha256(weights.astype("<i8").tobytes()).hexdigest()[:16] == "d52df1e88f47b17e"


def test_whole_pixels_are_moved_without_a_change_and_nothing_moves_without_motions() -> None:
    plane = noise()
    moved = moved_plane(plane, about_the_middle(SHAPE, 0, 1, 4, -3))
    assert (moved[4:, :-3] == plane[:-4, 3:]).all()
    assert (moved_plane(plane, Motions((), (1, 1, 1, 1))) == plane).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_a_smooth_slice_is_shown_as_an_independent_spline_shows_it(dtype: type) -> None:
    plane = (noise(np.float64, smooth=4) * (250 / 4000 if dtype is np.uint8 else 1)).astype(dtype)
    motions = about_the_middle(SHAPE, 8, 1.06, 2, 3, bent=True)
    there = positions(motions, SHAPE, np.arange(SHAPE[0]), np.arange(SHAPE[1]))
    expected = map_coordinates(plane.astype(np.float64), [at / STEP for at in there], order=5, mode="reflect")
    moved = moved_plane(plane, motions)
    assert moved.dtype == dtype
    known = ~lost_of(motions, SHAPE)
    assert np.abs(moved - expected)[known].max() <= (2 if dtype is np.uint8 else 12)  # of 250, of 4000


def test_real_numbers_are_moved_as_whole_ones_are() -> None:
    motions, plane = about_the_middle(SHAPE, 8, 1.06), noise()
    moved = moved_plane(plane.astype(np.float32), motions)
    assert moved.dtype == np.float32
    assert np.abs(moved - moved_plane(plane, motions)).max() < 1.5  # the grain is rounded once, the sum once more


def test_values_stay_within_the_slice_s_own() -> None:
    plane = np.where(noise() > 2000, np.uint8(255), np.uint8(3))
    moved = moved_plane(plane, about_the_middle(SHAPE, 11, 0.93))
    assert (moved.min(), moved.max()) == (3, 255)


def test_a_local_motion_leaves_the_rest_bit_for_bit() -> None:
    plane = noise()
    motions = local(SHAPE, (40, 60, 30, 50), 8, Motion.about((50, 40), degrees=9, scale=1.1))
    moved = moved_plane(plane, motions)
    changed = moved != plane
    assert changed[44:56, 34:46].mean() > 0.9
    changed[32:68, 22:58] = False
    assert not changed.any()


def test_masks_move_by_the_nearest_pixel() -> None:
    motions = about_the_middle(SHAPE, 8, 1.06, 2, 3)
    mask = gaussian_filter(np.random.default_rng(2).normal(size=SHAPE), 6) > 0
    moved, soft = moved_mask(mask, motions), moved_plane(mask.astype(np.uint8) * 200, motions)
    assert (moved == (soft >= 100)).mean() > 0.985
    assert moved.dtype == bool


def test_a_line_along_a_border_goes_on_beyond_it_and_a_limb_is_mirrored() -> None:
    plane = (noise() // 256 * 8).astype(np.uint8)
    plane[:7] = 250
    assert strips_of(plane) == (7, 120, 100, 100)
    motions = Motions(about_the_middle(SHAPE, 0, 1, 20, 10).parts, strips_of(plane))
    moved = moved_plane(plane, motions)
    assert (moved[:27] == 250).all()
    assert (moved[27:, :10] == plane[7:-20, 9::-1]).all()
    mirrored = moved_plane(plane, about_the_middle(SHAPE, 0, 1, 20, 10))
    assert not (mirrored[:13] == 250).any()


def test_a_thin_line_along_a_border_is_cut_off_and_what_lies_behind_it_is_mirrored() -> None:
    plane = (noise() // 1024).astype(np.uint8)
    plane[:, 40:60] += 20
    assert trim_of(plane) == (0, 0, 0, 0)
    plane[:1], plane[:, -2:] = 250, 250
    assert trim_of(plane) == (2, 0, 0, 3)
    thick = plane.copy()
    thick[:9] = 250
    assert trim_of(thick) == (0, 0, 0, 3)
    parts = about_the_middle(SHAPE, 0, 1, 6, -5).parts
    motions = Motions(parts, strips_of(plane[2:, :-3]), trim=trim_of(plane))
    moved = moved_plane(plane, motions)
    assert moved.max() < 30
    assert (moved[8:, :-8] == plane[2:-6, 5:-3]).all()
    assert (moved[:8, :-8] == plane[9:1:-1, 5:-3]).all()
    assert lost_of(motions, SHAPE)[:8].all()
    assert lost_of(motions, SHAPE)[:, -8:].all()
    assert not lost_of(motions, SHAPE)[8:, :-8].any()


def test_air_of_one_level_is_a_line_as_deep_as_it_reaches() -> None:
    plane = np.full(SHAPE, 20, dtype=np.uint8)
    plane += noise(np.uint8, seed=3) % 4
    plane[:, 60:90] = 200
    assert strips_of(plane) == (120, 120, 60, 10)
    assert strips_of(np.full((5, 6), 7, dtype=np.uint8)) == (5, 5, 6, 6)


def test_grain_keeps_its_strength_and_edges_stay_smooth() -> None:
    """Half a pixel's shift, which interpolation alone would pay for with noise."""
    rng = np.random.default_rng(4)
    flat = (1000 + 30 * rng.normal(size=(200, 200))).astype(np.int16)
    moved = moved_plane(flat, about_the_middle((200, 200), 0, 1, 3.5, 2.5))[20:-20, 20:-20].astype(float)
    assert moved.std() == pytest.approx(30, rel=0.12)
    assert np.diff(moved, axis=1).std() == pytest.approx(np.diff(flat.astype(float), axis=1).std(), rel=0.12)
    edge = flat.copy()
    edge[:, 100:] += 2000
    assert np.abs(grain(edge.astype(np.int64))).max() < 150
    kept = edge - grain(edge.astype(np.int64))
    assert np.ptp(kept[:, 95:105], axis=1).min() > 1800


def test_a_slice_moved_by_nothing_keeps_all_of_it() -> None:
    plane = noise()
    assert (moved_plane(plane, about_the_middle(SHAPE, 0, 1)) == plane).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_held_keeps_every_digit_of_real_numbers(kind: type) -> None:
    """Tiny numbers beside large ones, whose digits a sum and a difference would lose."""
    plane = (noise().astype(np.float64) * np.where(np.indices(SHAPE).sum(axis=0) % 3 == 0, 1e-13, 1)).astype(kind)
    part = about_the_middle(SHAPE, 4, 1.05).parts
    held = Motions(part, (1, 1, 1, 1), held=((30, 60, 20, 50),), yielding=20)
    moved = moved_plane(plane, held)
    assert np.array_equal(moved[30:60, 20:50], plane[30:60, 20:50])
    assert (moved != plane).mean() > 0.3


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_one_walk_gives_what_three_do(dtype: type) -> None:
    plane, motions = noise(dtype), about_the_middle(SHAPE, 8, 1.06, 30, -20, bent=True)
    made = MovedSlice.of(plane, plane > 20, motions)
    assert (made.plane == moved_plane(plane, motions)).all()
    assert (made.mask == moved_mask(plane > 20, motions)).all()
    assert (made.lost == lost_of(motions, SHAPE)).all()
    assert made.lost.any()


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 3, 5], [0, 3, 5, 9], [7, 7, 7, 0, 1]])
def test_counting_whole_numbers_finds_the_median_that_sorting_does(values: list[int]) -> None:
    assert _median(np.array(values, dtype=np.int32)) == _median(np.array(values, dtype=np.int64))
