"""From a plain array to a volume, for those who have no files."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.volume import Rescale, SourceRef, Stored, Volume, Window

IDENTITY = Rescale()


def from_array(  # noqa: PLR0913 - one argument per attribute of an image
    stored: Stored,
    *,
    spacing: tuple[float, float] | None = None,
    affine: npt.NDArray[np.float64] | None = None,
    rescale: Rescale = IDENTITY,
    window: Window | None = None,
    padding: tuple[float, float] | None = None,
    inverted: bool = False,
    modality: str = "",
) -> Volume:
    """A volume of an array; its key is made from the array's bytes.

    Args:
        stored: (rows, columns) or (1, rows, columns) for a radiograph, (slices, rows, columns) with an ``affine``.
            Integers or floats; copied.
        spacing: mm between rows and columns of a radiograph, where known.
        affine: (4, 4), (k, i, j, 1) → LPS mm, for an image in patient space.
        rescale: stored · slope + intercept = modality value.
        window: VOI in modality units; None lets the profile choose.
        padding: inclusive range of stored values that mean "no image here".
        inverted: True where low values are bright (MONOCHROME1).
        modality: DICOM's (0008,0060); ``CT`` lets domains use Hounsfield units.

    Raises:
        TypeError: it is no NumPy array.
        ValueError: it holds neither integers nor floats, or not all of them finite; the shape is neither, or both or
            neither of a 3-D array's geometries are given.
    """
    _check_numbers(stored)
    array = np.array(stored[None] if stored.ndim == 2 else stored)
    if array.ndim != 3 or not array.size or (len(array) > 1) != (affine is not None):
        raise ValueError(
            f"from_array: expected (rows, columns), or (slices, rows, columns) with an affine; got {stored.shape}"
            f"{'' if affine is None else ' with an affine'}"
        )
    slices, rows, columns = array.shape
    geometry = (
        planar(rows, columns, spacing) if affine is None else Geometry((slices, rows, columns), affine, "patient")
    )
    return Volume(
        stored=array,
        geometry=geometry,
        rescale=(rescale,) * slices,
        window=window,
        stored_range=_range_of(array.dtype),
        padding=padding,
        inverted=inverted,
        source=_source(array, modality),
    )


def _source(array: Stored, modality: str) -> SourceRef:
    """What names the image in records: digests of its slices, in place of UIDs and files."""
    _, rows, columns = array.shape
    digests = tuple(
        hashlib.sha256(f"{array.dtype.str} {rows} {columns} ".encode() + s.tobytes()).hexdigest() for s in array
    )
    name = f"array-{hashlib.sha256(''.join(digests).encode()).hexdigest()[:16]}"
    return SourceRef("array", modality, name, name, instance_uids=digests, files=(), sha256=digests)


def _check_numbers(stored: object) -> None:
    if not isinstance(stored, np.ndarray):
        raise TypeError(
            f"from_array: expected a NumPy array, got {type(stored).__name__}; give np.asarray(…) with the "
            "dtype of the stored numbers"
        )
    if stored.dtype.kind not in "iuf":
        raise ValueError(
            f"from_array: expected integers or floats, got {stored.dtype}; give grey levels, and a mask as boxes"
        )
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        count = int(np.count_nonzero(~np.isfinite(stored)))
        raise ValueError(
            f"from_array: expected finite numbers, got {count} of {stored.size} that are NaN or infinite; put a value "
            "outside the image's range there and name it as padding"
        )


def _range_of(kind: np.dtype[np.generic]) -> tuple[float, float]:
    limits = np.iinfo(kind) if np.issubdtype(kind, np.integer) else np.finfo(kind)  # type: ignore[type-var]
    return float(limits.min), float(limits.max)
