"""Random oblique grids and boxes inside them, for Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import strategies as st

from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Volume
from tests.support import make

SIDES = st.integers(1, 40)
ANGLES = st.floats(-1, 1).filter(lambda x: abs(x) > 1e-3)


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    """Any rotation, either handedness, anisotropic spacings, somewhere in the scanner."""
    quaternion = np.array(draw(st.tuples(ANGLES, ANGLES, ANGLES, ANGLES)))
    a, b, c, d = quaternion / np.linalg.norm(quaternion)
    cross = np.array([[0, -d, c], [d, 0, -b], [-c, b, 0]])
    rotation = np.eye(3) + 2 * a * cross + 2 * cross @ cross
    spacing = np.array(draw(st.tuples(*(st.floats(0.1, 10),) * 3)))
    flip = np.array(draw(st.tuples(*(st.sampled_from((1.0, -1.0)),) * 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing * flip
    affine[:3, 3] = draw(st.tuples(*(st.floats(-500, 500),) * 3))
    return Geometry(draw(st.tuples(SIDES, SIDES, SIDES)), affine, "patient")


@st.composite
def boxed(draw: st.DrawFn) -> tuple[Geometry, Box]:
    """A grid and a box of at least one voxel in it."""
    grid = draw(grids())
    ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in grid.shape]
    start = tuple(min(low, n - 1) for (low, _), n in zip(ends, grid.shape, strict=True))
    stop = tuple(max(high, low + 1) for (_, high), low in zip(ends, start, strict=True))
    return grid, Box(start, stop, "lesion")  # type: ignore[arg-type]


def volume_on(grid: Geometry) -> Volume:
    """A volume of rising numbers on a grid."""
    plain, slices = make.volume((2, 4, 4)), grid.shape[0]
    one = plain.source
    source = replace(
        one,
        instance_uids=tuple(make.uid("grid", k) for k in range(slices)),
        files=one.files[:1] * slices,
        sha256=one.sha256[:1] * slices,
        frames=(),
    )
    stored = (np.arange(np.prod(grid.shape)) % 30_000).astype(np.int16).reshape(grid.shape)
    return replace(plain, geometry=grid, stored=stored, rescale=plain.rescale[:1] * slices, source=source)


def from_world(
    low: Sequence[float], high: Sequence[float], grid: Geometry, label: str, identifier: str = ""
) -> Box | None:
    """The voxel box that holds an axis-aligned world box, whatever the grid's orientation.

    All eight corners are mapped: under an oblique affine two are not enough.

    Args:
        low: lower corner (x, y, z) in LPS mm.
        high: upper corner (x, y, z) in LPS mm.
        grid: a grid in patient space.
        label: the class by name.
        identifier: the annotation's own identifier.
    """
    corners = grid.to_index(list(product(*zip(low, high, strict=True)))) + 0.5  # centres at integers → edges
    low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), grid.shape)
    found = enclosing(low.tolist(), high.tolist(), grid.shape, label, identifier)
    return found if isinstance(found, Box) else None
