"""Do two grids share their voxels? Then one is the other with axes swapped, flipped and shifted by whole voxels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from medaug.imaging.geometry import Float64, Geometry, Shape

TOLERANCE = 0.1  # voxel; headers round positions to 1e-3 mm, and spacings wander by a few per cent over a stack


@dataclass(frozen=True, eq=False)
class Step:
    """Index map of a shared grid: target index = origin + steps @ source index. All numbers are whole.

    Attributes:
        origin: (3,) target index of the source's first voxel.
        steps: (3, n) one signed unit vector per source axis.
    """

    origin: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]

    def span(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """A half-open source box as (low, high) edges on the target; a flip swaps them, so both are mapped."""
        a, b = (self.origin + self.steps @ np.asarray(index) for index in (start, np.asarray(stop) - 1))
        return tuple(np.minimum(a, b).tolist()), tuple((np.maximum(a, b) + 1).tolist())

    def points(self, source: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Source indices (N, n) → target indices (N, 3)."""
        return np.asarray(self.origin + source @ self.steps.T)


def snapped(origin: Float64, steps: Float64, counts: tuple[int, ...]) -> Step | None:
    """The whole-number map nearest to a fractional one, or None when a corner lies off by more than `TOLERANCE`.

    Args:
        origin: (3,) fractional target index of the source's first voxel.
        steps: (3, n) fractional target step per source axis.
        counts: source voxels along each axis.
    """
    whole = Step(np.rint(origin).astype(np.int64), np.rint(steps).astype(np.int64))
    units = np.abs(whole.steps)
    if not ((units.sum(axis=0) == 1).all() and (units.sum(axis=1) <= 1).all()):
        return None
    corners = np.array(list(product(*((0, count - 1) for count in counts))))
    off = np.abs(origin + corners @ steps.T - whole.points(corners)).max()
    return whole if off <= TOLERANCE else None


def between(affine: Float64, shape: Shape, grid: Geometry) -> Step | None:
    """How a source grid sits on a volume's, or None when they don't share their voxels.

    Args:
        affine: 4×4, source (k, i, j, 1) → LPS mm.
        shape: the source's. It lies within the volume's planes (a crop is fine), and along k one lies within the
            other: the volume may be one slice of the source's stack.
        grid: the volume's grid; only one in patient space can be compared.
    """
    if grid.space != "patient" or abs(np.linalg.det(grid.affine[:3, :3])) < 1e-9:
        return None
    total = np.asarray(np.linalg.solve(_comparable(grid, affine), affine), dtype=np.float64)
    step = snapped(total[:3, 3], total[:3, :3], shape)
    if step is None:
        return None
    low, high = step.span((0, 0, 0), shape)
    within = [a >= 0 and b <= n for a, b, n in zip(low, high, grid.shape, strict=True)]
    whole_stack = low[0] <= 0 and high[0] >= grid.shape[0]
    return step if (within[0] or whole_stack) and within[1] and within[2] else None


def _comparable(grid: Geometry, affine: Float64) -> Float64:
    """The grid's affine; a single slice takes the source's step along its normal, for its own is a mere thickness."""
    if grid.shape[0] > 1:
        return grid.affine
    normal = grid.affine[:3, 0] / np.linalg.norm(grid.affine[:3, 0])
    result = grid.affine.copy()
    result[:3, 0] = normal * max(float(np.abs(normal @ affine[:3, :3]).max()), 1e-6)
    return result
