"""Laws of grids and boxes, over random oblique affines."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medaug.formats.nifti import read_nifti, write_nifti
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Geometry
from tests.support.grids import boxed, from_world, grids, volume_on


def corners(box: Box, grid: Geometry) -> np.ndarray:
    """The eight corners of a box in LPS mm, on voxel edges."""
    return grid.to_world(np.array(list(product(*zip(box.start, box.stop, strict=True)))) - 0.5)


@given(grids(), st.lists(st.floats(-100, 100), min_size=3, max_size=3))
def test_index_to_world_and_back(grid: Geometry, index: list[float]) -> None:
    np.testing.assert_allclose(grid.to_index(grid.to_world(index)), index, atol=1e-8)


@given(boxed())
def test_the_world_extent_of_a_box_encloses_it_again(case: tuple[Geometry, Box]) -> None:
    grid, box = case
    world = corners(box, grid)
    again = from_world(world.min(axis=0).tolist(), world.max(axis=0).tolist(), grid, box.label)
    assert again is not None
    assert all(a <= b for a, b in zip(again.start, box.start, strict=True))
    assert all(a >= b for a, b in zip(again.stop, box.stop, strict=True))


@given(boxed(), st.randoms(use_true_random=False))
def test_no_point_of_a_world_box_lies_outside_its_voxel_box(case: tuple[Geometry, Box], draw: object) -> None:
    grid, box = case
    world = corners(box, grid)
    low, high = world.min(axis=0), world.max(axis=0)
    found = from_world(low.tolist(), high.tolist(), grid, "x")
    points = np.array([[draw.uniform(a, b) for a, b in zip(low, high, strict=True)] for _ in range(20)])  # type: ignore[attr-defined]
    middle = (low + high) / 2
    index = np.rint(grid.to_index(middle + (points - middle) * (1 - 1e-6)))  # an edge itself is of both its voxels
    inside = np.all((index >= 0) & (index < grid.shape), axis=1)
    assert found is not None
    assert np.all((index[inside] >= found.start) & (index[inside] < found.stop))


@given(boxed(), st.tuples(*(st.integers(0, 9),) * 3))
def test_a_grown_box_holds_the_box_and_stays_in_the_image(
    case: tuple[Geometry, Box], margin: tuple[int, int, int]
) -> None:
    grid, box = case
    grown = box.grown(margin, grid.shape)
    assert all(0 <= g <= b for g, b in zip(grown.start, box.start, strict=True))
    assert all(b <= g <= n for g, b, n in zip(grown.stop, box.stop, grid.shape, strict=True))
    assert box.grown((0, 0, 0), grid.shape) == box


@given(st.tuples(*(st.floats(-50, 50),) * 3), st.tuples(*(st.floats(0, 50),) * 3))
def test_rounding_is_outward_and_by_less_than_a_voxel(
    low: tuple[float, float, float], size: tuple[float, float, float]
) -> None:
    high = [a + s for a, s in zip(low, size, strict=True)]
    found = enclosing(low, high, (40, 40, 40), "x")
    if found == "beyond":
        assert max(-min(low), max(high) - 40) > 8
        return
    if found == "outside":
        assert any(b - max(a, 0) < 1e-5 or a >= 40 - 1e-5 or b <= 1e-5 for a, b in zip(low, high, strict=True))
        return
    assert isinstance(found, Box)
    assert max(-min(low), max(high) - 40) <= 8
    for a, b, start, stop in zip(low, high, found.start, found.stop, strict=True):
        assert max(a, 0) - 1 < start <= max(a, 0) + 1e-5
        assert min(b, 40) - 1e-5 <= stop < min(b, 40) + 1


@given(grids())
@settings(max_examples=25)
def test_nifti_keeps_every_oblique_grid(grid: Geometry) -> None:
    small = replace(grid, shape=tuple(min(n, 5) for n in grid.shape))
    volume = volume_on(small)
    with TemporaryDirectory() as folder:
        write_nifti(volume, Path(folder) / "a.nii")
        found = read_nifti(Path(folder) / "a.nii")
    np.testing.assert_allclose(found.geometry.affine, small.affine, atol=1e-3)
    np.testing.assert_array_equal(found.stored, volume.stored)
