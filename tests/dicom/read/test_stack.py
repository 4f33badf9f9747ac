from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.dicom.read.stack import Plane, slice_grid, stack_grid
from medaug.errors import ReadError
from tests.support.rotations import rotation


def planes(
    seed: int = 0, depths: np.ndarray | None = None, spacing: tuple[float, float] = (0.5, 0.7)
) -> tuple[list[Plane], np.ndarray]:
    axes = rotation(seed)
    origin = np.random.default_rng(seed + 1).uniform(-300, 300, 3)
    depths = np.arange(5) * 2.5 if depths is None else depths
    made = [Plane(axes[:, 0], axes[:, 1], origin + depth * axes[:, 2], spacing, 1.25, 0.0, "1.2") for depth in depths]
    return made, origin


@pytest.mark.parametrize("seed", range(20))
def test_the_affine_of_an_oblique_stack(seed: int) -> None:
    made, origin = planes(seed)
    grid = stack_grid(made, 6, 7)
    axes = rotation(seed)
    k, i, j = 3, 2, 5
    expected = origin + axes @ np.array([j * 0.7, i * 0.5, k * 2.5])
    np.testing.assert_allclose(grid.to_world((k, i, j)), expected, atol=1e-9)
    np.testing.assert_allclose(grid.spacing, (2.5, 0.5, 0.7))
    assert np.linalg.det(grid.affine[:3, :3]) < 0  # (k, i, j) against (x, y, z): reversed order, same handedness
    assert abs(grid.to_world((k, j, i)) - expected).max() > 1e-3  # rows and columns are not interchangeable


@pytest.mark.parametrize("seed", range(5))
def test_k_rises_along_the_normal(seed: int) -> None:
    made, _ = planes(seed)
    grid = stack_grid(made, 6, 7)
    assert grid.affine[:3, 0] @ made[0].normal == pytest.approx(2.5)


def test_a_slice_alone_is_as_thick_as_it_says() -> None:
    made, origin = planes(3)
    grid = slice_grid(made[0], 6, 7)
    assert grid.shape == (1, 6, 7)
    assert grid.spacing == pytest.approx((1.25, 0.5, 0.7))
    np.testing.assert_allclose(grid.to_index(origin), (0, 0, 0), atol=1e-9)
    assert stack_grid(made[:1], 6, 7).close_to(grid)


@pytest.mark.parametrize(
    ("depths", "code", "words"),
    [
        ([0, 5, 10, 20, 25], "missing-slice", r"slice 4 is missing \(gap 10.0 mm, spacing 5.0 mm\)"),
        ([0, 5, 10, 15, 35, 40, 45], "missing-slice", r"slices 5-7 are missing \(gap 20.0 mm, spacing 5.0 mm\)"),
        ([0, 5, 15, 20, 25, 30, 40], "missing-slice", "and 1 more in 1 other gaps"),
        ([0, 5, 10, 10, 15], "duplicate-position", "1 of 5 slices"),
        ([0, 0, 0], "duplicate-position", "2 of 3 slices"),
        ([0, 4, 8, 15, 22], "uneven-spacing", "4.00 to 7.00 mm apart"),
        ([0, 5, 10, 22, 27], "uneven-spacing", "5.00 to 12.00 mm"),
        ([0, 1, 2, 3.2, 4, 5], "uneven-spacing", "0.80 to 1.20 mm"),
        ([0, *np.cumsum(np.linspace(2.4, 2.6, 40))], "uneven-spacing", "2.40 to 2.60 mm"),  # small steps add up
    ],
)
def test_stacks_that_are_no_grid(depths: list[float], code: str, words: str) -> None:
    for seed in range(3):
        made, _ = planes(seed, np.array(depths, dtype=float))
        with pytest.raises(ReadError, match=words) as caught:
            stack_grid(made, 6, 7)
        assert caught.value.code == code


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_positions_stored_with_few_decimals_are_a_grid(decimals: int) -> None:
    made, _ = planes(4, np.arange(30) * 1.25)
    rounded = [replace(plane, position=np.round(plane.position, decimals)) for plane in made]
    assert stack_grid(rounded, 6, 7).spacing == pytest.approx((1.25, 0.5, 0.7), rel=0.01)


@pytest.mark.parametrize("degrees", [0.7, 5, -18.5])
def test_a_tilted_stack_is_refused(degrees: float) -> None:
    made, _ = planes(5)
    shift = np.tan(np.radians(degrees)) * 2.5
    tilted = [replace(p, position=p.position + n * shift * p.column) for n, p in enumerate(made)]
    with pytest.raises(ReadError, match=f"sheared by {abs(degrees):.1f}°") as caught:
        stack_grid(tilted, 6, 7)
    assert caught.value.code == "gantry-tilt"


def test_a_stated_tilt_is_refused_though_the_positions_don_t_show_it() -> None:
    made, _ = planes(6)
    with pytest.raises(ReadError, match=r"stated: 12.0°"):
        stack_grid([replace(plane, tilt=-12.0) for plane in made], 6, 7)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"row": np.array([0.0, 1, 0])}, "mixed-orientation"),
        ({"spacing": (0.6, 0.7)}, "mixed-spacing"),
        ({"frame_of_reference_uid": None}, "mixed-frame-of-reference"),
    ],
)
def test_mixed_stacks(change: dict[str, object], code: str) -> None:
    made, _ = planes(7)
    with pytest.raises(ReadError) as caught:
        stack_grid([*made[:-1], replace(made[-1], **change)], 6, 7)
    assert caught.value.code == code


def test_slices_that_wander_in_the_plane() -> None:
    made, _ = planes(8, np.arange(9) * 2.5)
    moved = replace(made[4], position=made[4].position + 2 * made[4].row)
    with pytest.raises(ReadError, match="shifted against each other") as caught:
        stack_grid([*made[:4], moved, *made[5:]], 6, 7)
    assert caught.value.code == "shifted-slices"


def test_the_tests_rotations_are_rotations() -> None:
    for seed in range(20):
        q = rotation(seed)
        np.testing.assert_allclose(q @ q.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(q) == pytest.approx(1)
