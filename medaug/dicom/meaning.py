"""What the stored numbers of an instance mean: rescale, window, padding, spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.decode import stored_range
from medaug.errors import ReadError
from medaug.imaging.volume import Rescale, Window


def rescale_of(ds: Dataset) -> Rescale:
    """The Modality LUT as slope and intercept; the identity where there is none.

    Raises:
        ReadError: ``modality-lut`` for a table (it can't be inverted); ``bad-value`` for a slope of zero.

    Source: PS3.3 C.11.1.
    """
    if fields.value(ds, "ModalityLUTSequence"):
        raise ReadError("a Modality LUT table can't be undone; export with rescale slope instead", code="modality-lut")
    slope, intercept = fields.number(ds, "RescaleSlope"), fields.number(ds, "RescaleIntercept")
    if slope == 0:
        raise ReadError("RescaleSlope is 0: expected another number; export the series again", code="bad-value")
    is_ct = fields.text(ds, "Modality") == "CT"
    units = fields.text(ds, "RescaleType") or ("HU" if is_ct and intercept is not None else "")
    return Rescale(1.0 if slope is None else slope, intercept or 0.0, units)


def window_of(ds: Dataset) -> Window | None:
    """The first VOI that the instance states, as a linear window in modality units; None when it states none.

    LINEAR shifts by half a unit against LINEAR_EXACT, which `Window` is. A SIGMOID of width w is shown as the window
    from c − w to c + w, where it lies between 2 and 98 %. A VOI LUT becomes the input range in which it rises.

    Source: PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """
    centers, widths = fields.numbers(ds, "WindowCenter"), fields.numbers(ds, "WindowWidth")
    if not centers or not widths or widths[0] <= 0:  # a width of 0 is a common way to state none
        return _lut_window(ds)
    center, width = centers[0], widths[0]
    function = fields.text(ds, "VOILUTFunction").upper() or "LINEAR"
    if function == "SIGMOID":
        return Window(center, 2 * width)
    if function == "LINEAR" and width > 1:
        return Window(center - 0.5, width - 1)
    return Window(center, width)


def padding_of(ds: Dataset) -> tuple[float, float] | None:
    """The inclusive range of stored values that mean "no image here", or None.

    A value stated with the wrong sign (63536 for −2000) is read as the pixel cell that it stands for.

    Raises:
        ReadError: ``padding-range``: pixels hold a padding value that BitsStored can't hold, so that masking the unused
            bits would turn padding into image.

    Source: PS3.3 C.7.5.1.1.2.
    """
    stated = fields.number(ds, "PixelPaddingValue")
    if stated is None:
        return None
    limit = fields.number(ds, "PixelPaddingRangeLimit")
    ends = sorted(_as_cell(x, ds) for x in (stated, stated if limit is None else limit))
    least, greatest = stored_range(ds)
    if ends[0] < least or ends[1] > greatest:
        _refuse_masked_padding(ds, ends, (least, greatest))
    low, high = max(ends[0], least), min(ends[1], greatest)
    return (low, high) if low <= high else None


def plane_spacing(ds: Dataset) -> tuple[float, float] | None:
    """Spacing in mm between rows and columns of a radiograph: calibrated if stated, else at the detector, else None.

    Raises:
        ReadError: ``bad-value`` for a spacing that is not above 0.

    Source: PS3.3 10.7.1.3 (PixelSpacing, ImagerPixelSpacing), C.8.6.2 (NominalScannedPixelSpacing).
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        if found := fields.numbers(ds, keyword, 2):
            return positive(found, keyword)
    return None


def positive(spacing: Sequence[float], keyword: str) -> tuple[float, float]:
    """The two spacings, checked to be above 0."""
    rows, columns = spacing
    if min(rows, columns) <= 0:
        raise ReadError(f"{keyword} is {rows:g} × {columns:g} mm: expected more than 0", code="bad-value")
    return rows, columns


def _lut_window(ds: Dataset) -> Window | None:
    tables = fields.value(ds, "VOILUTSequence")
    if not tables:
        return None
    descriptor = fields.required(tables[0], "LUTDescriptor", 3)
    data = fields.value(tables[0], "LUTData")
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2")
    table = np.atleast_1d(np.asarray(data if data is not None else [], dtype=np.float64))
    moves = np.flatnonzero(np.diff(table))
    if not moves.size:
        return None
    first = _lut_start(descriptor[1], ds)
    return Window.spanning(first + int(moves[0]), first + int(moves[-1]) + 1)


def _lut_start(stated: float, ds: Dataset) -> float:
    """The first input of a VOI LUT, a modality value: read as unsigned it may lie above all that the image can hold."""
    rescale = rescale_of(ds)
    greatest = max(rescale.slope * x + rescale.intercept for x in stored_range(ds))
    return stated - 2**16 if stated > greatest else stated


def _as_cell(number: float, ds: Dataset) -> float:
    """The number that the same bits of a pixel cell mean under PixelRepresentation."""
    bits = fields.integer(ds, "BitsAllocated")
    if fields.integer(ds, "PixelRepresentation"):
        return number - 2**bits if number >= 2 ** (bits - 1) else number
    return number + 2**bits if number < 0 else number


def _refuse_masked_padding(ds: Dataset, padding: Sequence[float], allowed: tuple[int, int]) -> None:
    kind = f"{'i' if fields.integer(ds, 'PixelRepresentation') else 'u'}{fields.integer(ds, 'BitsAllocated') // 8}"
    order = ">" if ds.original_encoding[1] is False else "<"
    if not ds.file_meta.TransferSyntaxUID.is_encapsulated:
        cells = np.frombuffer(fields.value(ds, "PixelData"), dtype=order + kind)
        hit = (cells >= padding[0]) & (cells <= padding[1]) & ((cells < allowed[0]) | (cells > allowed[1]))
        if not hit.any():
            return
    raise ReadError(
        f"padding {padding[0]:g} to {padding[1]:g} lies outside what BitsStored can hold ({allowed[0]} to {allowed[1]})"
        "; export the series again",
        code="padding-range",
    )
