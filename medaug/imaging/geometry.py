"""Where voxels are. The conventions of the whole package are stated here, once.

* Index order is (slice k, row i, column j). Arrays are indexed ``array[k, i, j]``.
* The world frame is DICOM's patient frame, LPS, in mm. ``affine @ (k, i, j, 1)`` is the *centre*
  of a voxel.
* Boxes lie on voxel *edges* and are half-open: ``array[box.slices]`` is the lesion.
* A radiograph is a volume of one slice in ``detector`` space (mm at the detector or, when
  calibrated, at the object) or ``pixel`` space (no spacing known). It has no thickness and no patient
  position, so the k column of its affine is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Shape = tuple[int, int, int]
Space = Literal["patient", "detector", "pixel"]
Float64 = npt.NDArray[np.float64]


MIN_STEP, MAX_STEP = 1e-6, 1e4  # mm between two voxels; a nanometre is no voxel's, 10 m nobody's
MAX_RATIO = 100.0  # between the steps of a plane; what is drawn at it has one side that many times the other
MAX_PLACE = 1e7  # mm from the origin


def usable_steps(*steps: float) -> bool:
    """Whether distances of voxels in a plane, in mm or in pixels, are ones that an image can have."""
    return all(MIN_STEP <= step <= MAX_STEP for step in steps) and max(steps) <= MAX_RATIO * min(steps)


def usable_affine(affine: Float64) -> bool:
    """Whether a grid in patient space has finite axes of some length, and a place that a patient can have."""
    if not (np.isfinite(affine).all() and np.abs(affine).max() <= MAX_PLACE):
        return False
    k, i, j = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return MIN_STEP <= k <= MAX_STEP and usable_steps(i, j)


@dataclass(frozen=True, eq=False)
class Geometry:
    """A voxel grid without its voxels.

    Attributes:
        shape: (slices, rows, columns).
        affine: 4×4, (k, i, j, 1) → (x, y, z, 1), LPS mm for ``patient`` space.
        space: ``patient``, ``detector`` (mm in the plane only) or ``pixel`` (px in the plane only).
        frame_of_reference_uid: (0020,0052), or None where the source has none.
    """

    shape: Shape
    affine: Float64
    space: Space
    frame_of_reference_uid: str | None = None

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError(f"affine: expected a finite 4×4 matrix, got shape {affine.shape}")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape: expected (slices, rows, columns) ≥ 1, got {self.shape}")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring centres along (k, i, j); 0.0 along k for a radiograph."""
        k, i, j = (float(np.linalg.norm(self.affine[:3, axis])) for axis in range(3))
        return k, i, j

    def to_world(self, index: npt.ArrayLike) -> Float64:
        """Map voxel indices (…, 3), centres at integers, to world coordinates (…, 3)."""
        index = np.asarray(index, dtype=np.float64)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, world: npt.ArrayLike) -> Float64:
        """Map world coordinates (…, 3) in mm to fractional voxel indices (…, 3).

        Raises:
            ValueError: the grid is a radiograph's, whose affine has no inverse.
        """
        if self.space != "patient":
            raise ValueError(f"a grid in {self.space} space has no patient coordinates")
        offset = np.asarray(world, dtype=np.float64) - self.affine[:3, 3]
        return np.asarray(np.linalg.solve(self.affine[:3, :3], offset[..., None])[..., 0])

    def close_to(self, other: Geometry, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids place every corner voxel within ``tolerance_mm`` of the other's."""
        if self.shape != other.shape or self.space != other.space:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return bool(np.abs(self.to_world(corners) - other.to_world(corners)).max() <= tolerance_mm)


def planar(rows: int, columns: int, spacing: tuple[float, float] | None) -> Geometry:
    """The grid of a radiograph.

    Args:
        rows: image height in px.
        columns: image width in px.
        spacing: mm between (rows, columns), or None when the source states none.
    """
    row_step, column_step = spacing or (1.0, 1.0)
    affine = np.array([[0, 0, column_step, 0], [0, row_step, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
    return Geometry((1, rows, columns), affine, "detector" if spacing else "pixel")
