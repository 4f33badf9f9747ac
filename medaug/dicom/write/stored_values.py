"""What a variant may do to the source's stored integers, and how they go back into an instance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medaug.dicom.colour_encoding import is_colour, laid_out
from medaug.dicom.read.decode import stored_range
from medaug.errors import WriteError
from medaug.imaging.volume import Mask, Stored, Volume


def put_pixels(ds: Dataset, stored: Stored) -> None:
    """Set PixelData to native little-endian integers (PS3.5 8.1.1, A.2).

    Unused high bits become zeros, or copies of the sign bit, so that readers that mask them and readers that
    don't see the same value.

    Args:
        ds: the header, changed in place.
        stored: (rows, columns), or (rows, columns, 3) of a colour image, in the dtype that ``ds`` states.
    """
    if is_colour(ds):
        stored = laid_out(ds, stored)
    data = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    vr = "OB" if stored.dtype.itemsize == 1 else "OW"
    ds["PixelData"] = DataElement(0x7FE00010, vr, data + b"\0" * (len(data) % 2))


def check_change(variant: Volume, changed: Mask, source: Volume) -> None:
    """Refuse a variant that touches what it must not.

    Raises:
        WriteError: a voxel that is not ``changed`` differs, or a coloured one is to (``protected-changed``); a
            generated one lies where the source has padding or reads as padding (``padding``), or can't be stored
            (``stored-range``).
    """
    same = variant.stored.shape == source.stored.shape == changed.shape and variant.stored.dtype == source.stored.dtype
    if not same or changed.dtype != np.bool_ or variant.source.key != source.source.key:
        raise WriteError(
            f"expected one grid, type and source, got variant {variant.stored.shape} {variant.stored.dtype}, "
            f"mask {changed.shape} {changed.dtype}, source {source.stored.shape} {source.stored.dtype}; a defect",
            code="grid",
        )
    differs = np.asarray(variant.stored != source.stored)
    _refuse(differs > changed, "protected voxels differ from the source", "protected-changed")
    if source.colour is not None:
        _refuse(changed & source.colour.coloured, "voxels to generate are coloured in the source", "protected-changed")
    if source.padding is not None:
        _refuse(changed & source.padded, "voxels to generate lie where the source has no image (padding)", "padding")
        reads_as_padding = replace(variant, padding=source.padding).padded
        _refuse(changed & reads_as_padding, "generated voxels equal the padding value", "padding")
    low, high = source.stored_range
    if not _within(variant.stored, low, high):  # not even where it is the source's
        _refuse(
            changed & ~((variant.stored >= low) & (variant.stored <= high)),  # type: ignore[operator]
            f"generated voxels lie outside what the source's encoding holds ({low:g} to {high:g})",
            "stored-range",
        )


def check_fits(ds: Dataset, stored: Stored) -> None:
    """Refuse values that BitsStored and PixelRepresentation can't hold; ``stored`` is (rows, columns).

    Raises:
        WriteError: see above.
    """
    low, high = stored_range(ds)
    if not _within(stored, low, high):
        outside = (stored < low) | (stored > high)  # type: ignore[operator]
        _refuse(outside, f"values lie outside {low} to {high} (BitsStored {ds.BitsStored})", "stored-range")


def overwritten(source: Stored, variant: Stored, changed: npt.NDArray[np.bool_]) -> Stored:
    """The source's integers with those of the variant where ``changed``, nowhere else; (rows, columns[, samples])."""
    stored = source.copy()
    np.copyto(stored, variant, where=changed if changed.ndim == source.ndim else changed[..., None])
    return stored


def _within(stored: Stored, low: float, high: float) -> bool:
    """Whether all values are; NaN is not. An end that the kind of number can't pass isn't looked at."""
    kind: np.dtype[Any] = stored.dtype
    least, greatest = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else (-np.inf, np.inf)
    return bool((least >= low or stored.min() >= low) and (greatest <= high or stored.max() <= high))


def _refuse(wrong: npt.NDArray[np.bool_], what: str, code: str) -> None:
    if count := int(np.count_nonzero(wrong)):
        raise WriteError(f"variant: {count} {what}; nothing was written, this is a defect in the run", code=code)
