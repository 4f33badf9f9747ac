"""Where the voxels of a NIfTI-1 file lie. RAS ↔ LPS happens here and nowhere else.

Source: NIfTI-1.1, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from medaug.errors import ReadError, WriteError
from medaug.imaging.geometry import Float64, Geometry, Shape, usable_affine

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ORTHOGONAL = 1e-3  # cosine between two axes; float32 rounding of a header stays below 1e-6


def affine_of(header: Any, shape: Shape) -> Float64:
    """(k, i, j) → LPS mm. sform first, as nibabel does; a qform that says otherwise is refused.

    Args:
        header: one record of `nifti.HEADER`.
        shape: (slices, rows, columns) that it states.

    Raises:
        ReadError: ``nifti-affine``.
    """
    if int(header["xyzt_units"]) & 7 not in (0, 2):
        raise _refused("expected millimetres (xyzt_units 2), found another unit")
    found = [a for a in (_sform(header), _qform(header)) if a is not None]
    if not found:
        raise _refused("expected an sform or a qform, both codes are 0; left and right are unknown")
    for affine in found:
        _refuse_singular(affine)
    if len(found) == 2:
        _refuse_disagreement(found[0], found[1], shape)
    return np.asarray((RAS_TO_LPS @ found[0])[:, [2, 1, 0, 3]])


def _sform(header: Any) -> Float64 | None:
    if int(header["sform_code"]) <= 0:
        return None
    return np.vstack([header["srow"].astype(np.float64), [0.0, 0.0, 0.0, 1.0]])


def _qform(header: Any) -> Float64 | None:
    """Method 2 of nifti1.h: a rotation by a unit quaternion, scaled by pixdim, mirrored by qfac."""
    if int(header["qform_code"]) <= 0:
        return None
    b, c, d = (float(q) for q in header["quatern"])
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -1e-5:
        raise _refused("expected a unit quaternion in the qform, found a longer one")
    a = max(rest, 0.0) ** 0.5
    cross = np.array([[0.0, -d, c], [d, 0.0, -b], [-c, b, 0.0]])
    rotation = np.eye(3) + 2 * a * cross + 2 * cross @ cross
    qfac = -1.0 if header["pixdim"][0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * header["pixdim"][1:4].astype(np.float64) * [1.0, 1.0, qfac]
    affine[:3, 3] = header["qoffset"]
    return affine


def _refuse_singular(affine: Float64) -> None:
    axes = affine[:3, :3]
    length = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(affine).all() and (length > 0).all()):
        raise _refused("expected a finite affine with three axes, found a singular one")
    if not usable_affine(affine[:, [2, 1, 0, 3]]):
        raise _refused("expected voxels of a size and at a place that a patient can have, found others")
    cosines = np.abs((axes / length).T @ (axes / length) - np.eye(3)).max()
    if cosines > ORTHOGONAL:
        raise _refused(f"expected axes at right angles, found a cosine of {cosines:.4f}; resample it")


def _refuse_disagreement(sform: Float64, qform: Float64, shape: Shape) -> None:
    """Half a voxel is far above float32 rounding, even of a half-turn's quaternion, and below any real difference."""
    k, i, j = shape
    corners = np.array([(*c, 1) for c in product((0, j - 1), (0, i - 1), (0, k - 1))], dtype=np.float64)
    apart = float(np.linalg.norm(corners @ (sform - qform).T, axis=1).max())
    if apart > 0.5 * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        found = f"sform and qform place a corner {apart:.2f} mm apart"
        raise _refused(f"{found} and tools choose differently; set one of the codes to 0")


def writable_affine(geometry: Geometry) -> Float64:
    """(x, y, z) index → RAS mm.

    Raises:
        WriteError: a header can't hold the grid.
    """
    shape = geometry.shape
    if geometry.space != "patient" or max(shape) > np.iinfo(np.int16).max:
        raise WriteError(f"NIfTI file: expected a grid in patient space up to 32767 wide, found {shape}")
    affine = np.asarray((RAS_TO_LPS @ geometry.affine)[:, [2, 1, 0, 3]])
    try:
        _refuse_singular(affine)
    except ReadError as error:
        raise WriteError(str(error)) from error
    return affine


def quaternion_of(axes: Float64) -> tuple[tuple[float, float, float], float]:
    """(b, c, d) with a ≥ 0, and qfac, of orthogonal axes. Source: Bar-Itzhack 2000, eq. 3 and 11."""
    rotation = axes / np.linalg.norm(axes, axis=0)
    qfac = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    m = rotation * [1.0, 1.0, qfac]
    k = np.diag([0.0, 0.0, 0.0, np.trace(m)])  # only its lower triangle is read
    k[:3, :3] = m + m.T - np.trace(m) * np.eye(3)
    k[3, :3] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    b, c, d, a = np.linalg.eigh(k)[1][:, -1]
    sign = -1.0 if a < 0 else 1.0
    return (float(sign * b), float(sign * c), float(sign * d)), qfac


def _refused(text: str) -> ReadError:
    return ReadError(f"NIfTI file: {text}", code="nifti-affine")
