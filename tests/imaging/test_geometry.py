from __future__ import annotations

import numpy as np
import pytest

from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Geometry, planar
from tests.support.grids import from_world


def oblique(seed: int, shape: tuple[int, int, int] = (7, 20, 30)) -> Geometry:
    draw = np.random.Generator(np.random.PCG64(seed))
    rotation, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * draw.uniform(0.4, 4.0, size=3)
    affine[:3, 3] = draw.uniform(-100, 100, size=3)
    return Geometry(shape, affine, "patient")


@pytest.mark.parametrize("seed", range(10))
def test_index_to_world_and_back(seed: int) -> None:
    grid = oblique(seed)
    index = np.array([[0, 0, 0], [3, 5, 7], [6.5, -1, 30]])
    np.testing.assert_allclose(grid.to_index(grid.to_world(index)), index, atol=1e-9)


def test_the_affine_places_voxel_centres_k_i_j() -> None:
    affine = np.array([[0, 0, 2.0, 10], [0, 3.0, 0, 20], [5.0, 0, 0, 30], [0, 0, 0, 1]])
    grid = Geometry((4, 5, 6), affine, "patient")
    assert grid.to_world((1, 2, 3)).tolist() == [16.0, 26.0, 35.0]
    assert grid.spacing == (5.0, 3.0, 2.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_world_box_is_enclosed_under_any_rotation_and_two_corners_are_not_enough(seed: int) -> None:
    grid = oblique(seed)
    centre = grid.to_world((3, 10, 15))
    half = np.array([3.0, 4.0, 5.0])
    low, high = centre - half, centre + half
    box = from_world(low, high, grid, "lesion")
    assert box is not None
    inside = np.random.Generator(np.random.PCG64(seed)).uniform(low, high, size=(500, 3))
    index = np.floor(grid.to_index(inside) + 0.5)
    seen = np.all((index >= 0) & (index < grid.shape), axis=1)
    assert np.all((index[seen] >= box.start) & (index[seen] < box.stop))


def test_two_corners_would_miss_a_rotated_box() -> None:
    angle = np.pi / 4
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) @ [
        [1, 0, 0],
        [0, np.cos(angle), -np.sin(angle)],
        [0, np.sin(angle), np.cos(angle)],
    ]
    affine[:3, 3] = [-20, 0, 0]
    grid = Geometry((5, 60, 60), affine, "patient")
    low, high = np.array([10.0, 15, 1]), np.array([20.0, 25, 2])
    box = from_world(low, high, grid, "x")
    two = grid.to_index([low, high])
    assert box is not None
    assert min(box.start[1], box.start[2]) >= 0
    assert (two.max(0) - two.min(0))[1:].min() < min(box.shape[1:]) - 3


def test_a_radiograph_has_no_patient_coordinates_and_no_thickness() -> None:
    grid = planar(10, 20, (0.2, 0.1))
    assert grid.spacing == (0.0, 0.2, 0.1)
    assert grid.space == "detector"
    assert planar(10, 20, None).space == "pixel"
    with pytest.raises(ValueError, match="patient"):
        grid.to_index((0, 0, 0))


def test_close_grids_and_others() -> None:
    grid = oblique(1)
    moved = grid.affine.copy()
    moved[0, 3] += 0.1
    assert grid.close_to(Geometry(grid.shape, grid.affine.copy(), "patient"))
    assert not grid.close_to(Geometry(grid.shape, moved, "patient"))
    assert not grid.close_to(Geometry((6, 20, 30), grid.affine, "patient"))


def test_boxes_round_outward_and_are_cut_at_the_image() -> None:
    assert enclosing((0, 2.2, 3.0), (1, 4.9, 5.0000000001), (1, 10, 10), "x") == Box((0, 2, 3), (1, 5, 5), "x")
    assert enclosing((0, -3, 8), (1, 4, 18), (1, 10, 10), "x") == Box((0, 0, 8), (1, 4, 10), "x")
    assert enclosing((0, 10, 0), (1, 12, 5), (1, 10, 10), "x") == "outside"


def test_what_lies_far_outside_is_told_and_not_cut() -> None:
    assert enclosing((0, -3, 8), (1, 4, 18.1), (1, 10, 10), "x") == "beyond"
    assert enclosing((0, -8.1, 0), (1, 4, 5), (1, 10, 10), "x") == "beyond"
    assert enclosing((-9, 0, 0), (1, 4, 5), (1, 10, 10), "x") == "beyond"
    assert enclosing((0, 0, 900), (1, 4, 1100), (1, 10, 1000), "x") == Box((0, 0, 900), (1, 4, 1000), "x")


def test_grown_boxes_stay_inside() -> None:
    assert Box((0, 1, 5), (1, 3, 9), "x").grown((1, 2, 3), (1, 10, 10)) == Box((0, 0, 2), (1, 5, 10), "x")


@pytest.mark.parametrize(("start", "stop"), [((0, 0, 0), (0, 1, 1)), ((-1, 0, 0), (1, 1, 1)), ((0, 5, 0), (1, 4, 1))])
def test_empty_and_negative_boxes_are_refused(start: tuple[int, int, int], stop: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="start < stop"):
        Box(start, stop, "x")


def test_a_box_indexes_what_it_says() -> None:
    array = np.zeros((2, 5, 6))
    box = Box((1, 2, 3), (2, 4, 6), "x")
    array[box.slices] = 1
    assert array.sum() == np.prod(box.shape) == 6
