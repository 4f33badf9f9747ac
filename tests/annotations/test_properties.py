"""Boxes through the two ways of placing them: figures in patient space, and masks on another spelling of the grid."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from medaug.annotations.matching.by_position import Figure, box_of
from medaug.annotations.matching.grid_alignment import between
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from tests.support.grids import boxed, grids, volume_on

AXES = st.permutations(range(3))
FLIPS = st.tuples(*(st.booleans(),) * 3)


@given(boxed(), st.booleans())
def test_a_figure_s_corners_give_its_box_on_any_grid(case: tuple[Geometry, Box], turned: bool) -> None:
    grid, box = case
    assume(grid.shape[0] > 1)
    points = grid.to_world(np.array(list(product(*zip(box.start, box.stop, strict=True)))) - 0.5)
    found = box_of(Figure("POLYLINE", points[::-1] if turned else points, "lesion", "here"), volume_on(grid))
    assert isinstance(found, Box)
    assert (found.start, found.stop) == (box.start, box.stop)


@given(boxed(), AXES, FLIPS)
def test_a_mask_with_swapped_and_flipped_axes_marks_the_same_voxels(
    case: tuple[Geometry, Box], axes: list[int], flips: tuple[bool, bool, bool]
) -> None:
    grid, box = case
    assume(grid.shape[0] > 1)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[box.slices] = True
    affine = grid.affine.copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (grid.shape[axis] - 1)
            affine[:3, axis] *= -1
            mask = np.flip(mask, axis)
    affine[:3, :3] = affine[:3, axes]
    other = np.transpose(mask, axes)
    step = between(affine, other.shape, grid)
    assert step is not None
    marked = np.zeros(grid.shape, dtype=bool)
    marked[tuple(step.points(np.argwhere(other)).T)] = True
    expected = np.zeros(grid.shape, dtype=bool)
    expected[box.slices] = True
    np.testing.assert_array_equal(marked, expected)


@given(grids(), st.floats(0.2, 0.8), st.integers(0, 2))
def test_a_mask_between_the_voxels_is_on_no_grid(grid: Geometry, shift: float, axis: int) -> None:
    assume(grid.shape[0] > 1)
    affine = grid.affine.copy()
    affine[:3, 3] += affine[:3, axis] * shift
    assert between(affine, grid.shape, grid) is None
