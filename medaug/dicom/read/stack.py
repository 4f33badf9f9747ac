"""Slices in patient space: their order along the normal, and whether they lie on one regular grid.

Other readers are silent here: a gantry tilt or a missing slice becomes a wrong grid. This one refuses, with figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medaug.dicom import fields
from medaug.dicom.fields import Elements
from medaug.errors import ReadError
from medaug.imaging.geometry import (
    MAX_PLACE,
    MAX_RATIO,
    MAX_STEP,
    MIN_STEP,
    Float64,
    Geometry,
    usable_affine,
    usable_steps,
)

Indices = npt.NDArray[np.signedinteger]
COSINES = 1e-3  # of a unit vector, between slices: 0.06°
UNIT = 1e-2  # by how much two stated directions may fail to be orthogonal unit vectors
SAME_PLACE = 0.01  # mm
TILT = math.radians(0.5)  # of the stack's axis against the slice normal; 200 mm of slices shift by 1.7 mm


@dataclass(frozen=True, eq=False)
class Plane:
    """Where one slice lies.

    Attributes:
        row: direction along a row, to greater column index; a unit vector (x, y, z) in LPS.
        column: direction along a column, to greater row index; likewise.
        position: centre of the first pixel, mm.
        spacing: mm between (rows, columns).
        thickness: SliceThickness in mm where stated, else SpacingBetweenSlices, else 1.0.
        tilt: GantryDetectorTilt in degrees; 0.0 where not stated.
        frame_of_reference_uid: None where not stated.
    """

    row: Float64
    column: Float64
    position: Float64
    spacing: tuple[float, float]
    thickness: float
    tilt: float
    frame_of_reference_uid: str | None

    @property
    def normal(self) -> Float64:
        """Row × column: slices are counted along it. As `np.cross`, which takes ten times as long for three numbers."""
        (a, b, c), (d, e, f) = self.row.tolist(), self.column.tolist()
        return np.array([b * f - c * e, c * d - a * f, a * e - b * d])

    @property
    def depth(self) -> float:
        """Distance from the world's origin along the normal, mm."""
        return float(self.position @ self.normal)


def plane_of(ds: Elements) -> Plane:
    """The plane that an instance states.

    Raises:
        ReadError: ``missing-attribute``, ``bad-value``, or ``orientation`` when its directions are not orthogonal unit
            vectors.

    Source: PS3.3 C.7.6.2.1.1.
    """
    directions = np.array(fields.required(ds, "ImageOrientationPatient", 6))
    row, column = directions[:3], directions[3:]
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(row @ column))) > UNIT:
        raise ReadError(
            f"ImageOrientationPatient: expected two orthogonal unit vectors, found lengths {lengths[0]:.3f} and "
            f"{lengths[1]:.3f}, product {float(row @ column):.3f}; export the series again",
            code="orientation",
        )
    thickness = fields.number(ds, "SliceThickness") or fields.number(ds, "SpacingBetweenSlices") or 1.0
    return Plane(
        row=row / lengths[0],
        column=column / lengths[1],
        position=position_of(ds),
        spacing=_spacing(ds),
        thickness=abs(thickness),
        tilt=fields.number(ds, "GantryDetectorTilt") or 0.0,
        frame_of_reference_uid=fields.uid(ds, "FrameOfReferenceUID", required=False) or None,
    )


def position_of(ds: Elements) -> Float64:
    """Centre of the first pixel, LPS mm.

    Raises:
        ReadError: ``missing-attribute`` or ``bad-value``.
    """
    position = np.array(fields.required(ds, "ImagePositionPatient", 3))
    if np.abs(position).max() > MAX_PLACE:
        raise ReadError("ImagePositionPatient lies where no patient can; export the series again", code="bad-value")
    return position


def _spacing(ds: Elements) -> tuple[float, float]:
    rows, columns = fields.required(ds, "PixelSpacing", 2)
    if not usable_steps(rows, columns):
        expected = f"expected {MIN_STEP:g} to {MAX_STEP:g}, and a ratio up to {MAX_RATIO:g}"
        raise ReadError(f"PixelSpacing is {rows:g} × {columns:g} mm: {expected}", code="bad-value")
    return rows, columns


def slice_grid(plane: Plane, rows: int, columns: int) -> Geometry:
    """The grid of one slice alone: its k step is its thickness along the normal."""
    return _grid(plane, plane.normal * plane.thickness, (1, rows, columns))


def stack_grid(planes: Sequence[Plane], rows: int, columns: int) -> Geometry:
    """The grid of slices that are in order along the normal.

    Slices may miss their place by 5 % of the spacing and 0.01 mm: positions are stored with few decimals.

    Args:
        planes: sorted by `Plane.depth`.
        rows: of each slice.
        columns: of each slice.

    Raises:
        ReadError: ``mixed-orientation``, ``mixed-spacing``, ``mixed-frame-of-reference``, ``duplicate-position``,
            ``missing-slice``, ``uneven-spacing`` or ``gantry-tilt``.
    """
    if len(planes) == 1:
        return slice_grid(planes[0], rows, columns)
    _refuse_mixed(planes)
    positions = np.array([plane.position for plane in planes])
    depths = positions @ planes[0].normal
    _refuse_tilt(planes, positions)
    _refuse_uneven(depths)
    return _grid(planes[0], (positions[-1] - positions[0]) / (len(planes) - 1), (len(planes), rows, columns))


def _grid(plane: Plane, step: Float64, shape: tuple[int, int, int]) -> Geometry:
    affine = np.eye(4)
    affine[:3] = np.column_stack([step, plane.column * plane.spacing[0], plane.row * plane.spacing[1], plane.position])
    if not usable_affine(affine):
        raise ReadError("its slices lie where no patient can; export the series again", code="bad-value")
    return Geometry(shape, affine, "patient", plane.frame_of_reference_uid)


def _refuse_mixed(planes: Sequence[Plane]) -> None:
    first = planes[0]
    directions = np.array([(p.row, p.column) for p in planes])
    turned = int((np.abs(directions - directions[0]).max(axis=(1, 2)) > COSINES).sum())
    if turned:
        raise ReadError(
            f"{turned} of {len(planes)} slices have another orientation than the first; export each plane as a "
            "series of its own",
            code="mixed-orientation",
        )
    if not np.allclose([p.spacing for p in planes], first.spacing, rtol=1e-3):
        raise ReadError("the slices differ in PixelSpacing; export each as a series of its own", code="mixed-spacing")
    if any(p.frame_of_reference_uid != first.frame_of_reference_uid for p in planes):
        raise ReadError("the slices differ in Frame of Reference; export them apart", code="mixed-frame-of-reference")


def _refuse_tilt(planes: Sequence[Plane], positions: Float64) -> None:
    """Refuse a sheared stack. A stated gantry tilt is refused too: the positions may not show it, and which is true?"""
    normal = planes[0].normal
    way = positions[-1] - positions[0]
    along = float(way @ normal)
    shear = math.atan2(float(np.linalg.norm(way - along * normal)), abs(along)) if along > SAME_PLACE else 0.0
    stated = max(abs(plane.tilt) for plane in planes)
    if shear > TILT or math.radians(stated) > TILT:
        raise ReadError(
            f"gantry tilt: the stack is sheared by {math.degrees(shear):.1f}° (stated: {stated:.1f}°, limit "
            f"{math.degrees(TILT):.1f}°), so the slices form no right-angled grid; run the series slice by slice",
            code="gantry-tilt",
        )
    across = positions - positions[0] - np.outer((positions - positions[0]) @ normal, normal)
    on_line = np.outer(np.linspace(0, 1, len(planes)), across[-1])
    drift = float(np.linalg.norm(across - on_line, axis=1).max())
    if drift > max(planes[0].spacing) / 2:
        raise ReadError(
            f"the slices are shifted against each other in the plane by up to {drift:.2f} mm; run the series slice by "
            "slice",
            code="shifted-slices",
        )


def _refuse_uneven(depths: Float64) -> None:
    steps = np.diff(depths)
    same = int((steps < SAME_PLACE).sum())
    if same:
        raise ReadError(
            f"{same} of {len(depths)} slices lie where another one lies; export each acquisition as its own series",
            code="duplicate-position",
        )
    spacing = float(np.median(steps))
    tolerance = 0.05 * spacing + 0.01
    holes = np.flatnonzero(steps > 1.5 * spacing)
    missing = np.rint(steps[holes] / spacing).astype(int) - 1
    rest = np.delete(steps, holes)
    fits = np.abs(steps[holes] - (missing + 1) * spacing) <= (missing + 1) * tolerance
    if holes.size and bool(fits.all()) and bool((np.abs(rest - spacing) <= 2 * tolerance).all()):
        raise _missing(holes, missing, steps, spacing)
    regular = np.linspace(depths[0], depths[-1], len(depths))
    if float(np.abs(depths - regular).max()) > tolerance or holes.size:
        raise ReadError(
            f"uneven spacing: slices lie {steps.min():.2f} to {steps.max():.2f} mm apart (median {spacing:.2f} mm); "
            "run the series slice by slice",
            code="uneven-spacing",
        )


def _missing(holes: Indices, missing: Indices, steps: Float64, spacing: float) -> ReadError:
    first, count = int(holes[0]), int(missing[0])
    which = f"slice {first + 2} is" if count == 1 else f"slices {first + 2}-{first + 1 + count} are"
    more = f", and {int(missing[1:].sum())} more in {len(holes) - 1} other gaps" if len(holes) > 1 else ""
    return ReadError(
        f"{which} missing (gap {float(steps[first]):.1f} mm, spacing {spacing:.1f} mm){more}; re-export the series",
        code="missing-slice",
    )
