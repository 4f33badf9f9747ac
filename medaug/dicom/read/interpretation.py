"""What the stored numbers of an image mean and where they lie: rescale, window, padding, spacing, plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.fields import Elements
from medaug.dicom.frames import differs_in_position_alone
from medaug.dicom.read.decode import stored_range
from medaug.dicom.read.stack import Plane, plane_of, position_of
from medaug.errors import ReadError
from medaug.imaging.geometry import usable_steps
from medaug.imaging.lut import Lut
from medaug.imaging.volume import Rescale, Window, usable_rescale

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")  # of a radiograph, best first
INTERPRETED = (  # read of every header: what `interpretation_of` asks for
    *SPACINGS, "PixelAspectRatio", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness",
    "SpacingBetweenSlices", "GantryDetectorTilt", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "ModalityLUTSequence", "PresentationLUTShape", "VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth",
)  # fmt: skip
UNITS = frozenset({"HU", "OD", "MGML", "PCT", "Z_EFF", "ED", "HU_MOD"})  # ModalityLUTType, C.11.1.1.2; US: none


@dataclass(frozen=True, eq=False)
class Interpretation:
    """What one image's header says of its numbers and its place.

    Attributes:
        rescale: identity where ``lut`` is a table.
        lut: the Modality LUT where it is a table.
        windows: every VOI, see `windows_of`.
        plane: of a slice; None for a radiograph.
        spacing: mm between (rows, columns) of a radiograph, or None where it is unknown.
        aspect: height over width of a pixel of a radiograph without spacing.
    """

    rescale: Rescale
    lut: Lut | None
    windows: tuple[Window, ...]
    plane: Plane | None
    spacing: tuple[float, float] | None
    aspect: float


def interpretation_of(frame: Elements, *, placed: bool) -> Interpretation:
    """Interpret one image's header, see `frames.flat_frames`.

    Args:
        frame: the header.
        placed: whether it is a slice in patient space; else it is a radiograph.

    Raises:
        ReadError: ``missing-attribute``, ``bad-value``, ``modality-lut`` or ``orientation``.
    """
    return Interpretation(
        rescale=rescale_of(frame),
        lut=lut_of(frame),
        windows=windows_of(frame),
        plane=plane_of(frame) if placed else None,
        spacing=None if placed else plane_spacing(frame),
        aspect=1.0 if placed else pixel_aspect(frame),
    )


def meanings_of(frames: Iterable[Elements], *, placed: bool) -> Iterator[Interpretation]:
    """`interpretation_of` for the frames of one object, one after the other.

    Nearly all of them differ in their position alone, and then only that is read.

    Raises:
        ReadError: as `interpretation_of`.
    """
    before: Elements | None = None
    found: Interpretation | None = None
    for flat in frames:
        found = meaning_after(flat, before, found, placed=placed)
        before = flat
        yield found


def meaning_after(
    frame: Elements, before: Elements | None, found: Interpretation | None, *, placed: bool
) -> Interpretation:
    """`interpretation_of` a frame, from what was ``found`` of the one ``before`` where only the position differs.

    Raises:
        ReadError: as `interpretation_of`.
    """
    if before and found and found.plane and differs_in_position_alone(frame, before):
        return replace(found, plane=replace(found.plane, position=position_of(frame)))
    return interpretation_of(frame, placed=placed)


def rescale_of(ds: Elements) -> Rescale:
    """The Modality LUT as slope and intercept; the identity where there is none, or a table (`lut_of`).

    Raises:
        ReadError: ``bad-value`` for a slope of zero; ``modality-lut`` as `lut_of`.

    Source: PS3.3 C.11.1.
    """
    slope, intercept = fields.number(ds, "RescaleSlope"), fields.number(ds, "RescaleIntercept")
    if slope == 0:
        raise ReadError("RescaleSlope is 0: expected another number; export the series again", code="bad-value")
    if not usable_rescale(1.0 if slope is None else slope, intercept or 0.0):
        raise ReadError("RescaleSlope or RescaleIntercept is beyond 1e30; export the series again", code="bad-value")
    if lut_of(ds):
        kind = fields.text(fields.value(ds, "ModalityLUTSequence")[0], "ModalityLUTType").upper()
        return Rescale(1.0, 0.0, kind if kind in UNITS else "")
    is_ct = fields.text(ds, "Modality") == "CT"
    units = fields.text(ds, "RescaleType") or ("HU" if is_ct and intercept is not None else "")
    return Rescale(1.0 if slope is None else slope, intercept or 0.0, units)


def lut_of(ds: Elements) -> Lut | None:
    """The Modality LUT where it is a table, or None.

    Raises:
        ReadError: ``modality-lut``: it isn't monotone, so that stored values can't be had back, or is damaged.

    Source: PS3.3 C.11.1.1.
    """
    found = fields.value(ds, "ModalityLUTSequence")
    if not found:
        return None
    descriptor, table = _table(found[0])
    first = int(descriptor[1])
    if fields.integer(ds, "PixelRepresentation") and first >= 2**15:
        first -= 2**16  # signed, but written as unsigned
    try:
        lut = Lut(first, table) if len(table) == (int(descriptor[0]) or 2**16) else None
    except ValueError:
        lut = None
    if lut is None or len(found) != 1:
        raise ReadError(
            "its Modality LUT table neither rises nor falls throughout, or is damaged, so stored values can't be had "
            "back from it; export with rescale slope instead",
            code="modality-lut",
        )
    return lut


def inverted_of(ds: Elements) -> bool:
    """Whether low values are shown bright: MONOCHROME1, or a presentation LUT that is said to invert.

    Source: PS3.3 C.7.6.3.1.2, C.11.6.1.2 (an INVERSE shape belongs to MONOCHROME1, and says the same).
    """
    monochrome1 = fields.text(ds, "PhotometricInterpretation").upper() == "MONOCHROME1"
    return monochrome1 or fields.text(ds, "PresentationLUTShape").upper() == "INVERSE"


def windows_of(ds: Elements) -> tuple[Window, ...]:
    """Every VOI that the instance states, as linear windows in modality units, in its order: windows, then LUTs.

    LINEAR shifts by half a unit against LINEAR_EXACT, which `Window` is. A SIGMOID of width w is shown as the window
    from c − w to c + w, where it lies between 2 and 98 %. A VOI LUT becomes the input range in which it rises. A width
    of 0 is a common way to state none, see `unused_windows` for another.

    Source: PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """
    function = fields.text(ds, "VOILUTFunction").upper() or "LINEAR"
    step = _step(ds)
    stated = [_window(center, width, function) for center, width in _pairs(ds) if width > step]
    tables = [_lut_window(item, ds) for item in fields.value(ds, "VOILUTSequence") or ()]
    return (*stated, *(window for window in tables if window))


def unused_windows(ds: Elements) -> tuple[str, ...]:
    """Windows that `windows_of` leaves aside, as centre/width: no wider than a step of the stored numbers.

    Such a window makes black and white of everything; converters write it where they know none.
    """
    with suppress(ReadError):  # whoever needs the window refuses a bad one
        return tuple(f"{center:g}/{width:g}" for center, width in _pairs(ds) if 0 < width <= _step(ds))
    return ()


def _pairs(ds: Elements) -> Iterable[tuple[float, float]]:
    return zip(fields.numbers(ds, "WindowCenter"), fields.numbers(ds, "WindowWidth"), strict=False)


def _step(ds: Elements) -> float:
    """How far two neighbouring stored numbers lie apart in modality units; 0 where a table says."""
    return 0.0 if fields.value(ds, "ModalityLUTSequence") else abs(fields.number(ds, "RescaleSlope") or 1.0)


def _window(center: float, width: float, function: str) -> Window:
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


def plane_spacing(ds: Elements) -> tuple[float, float] | None:
    """Spacing in mm between rows and columns of a radiograph: calibrated if stated, else at the detector, else None.

    A radiograph needs none, so a value that can't be one counts as unknown, see `unknown_spacing`.

    Source: PS3.3 10.7.1.3 (PixelSpacing, ImagerPixelSpacing), C.8.6.2 (NominalScannedPixelSpacing).
    """
    return next((found for keyword in SPACINGS if (found := _spacing(ds, keyword))), None)


def unknown_spacing(ds: Elements) -> tuple[str, ...]:
    """The keywords of spacings and ratios of a radiograph that are stated and can't be any, see `usable_steps`."""
    names = (*SPACINGS, "PixelAspectRatio")
    return tuple(keyword for keyword in names if fields.stated(ds, keyword) and not _spacing(ds, keyword))


def pixel_aspect(ds: Elements) -> float:
    """Height over width of a pixel where no spacing is stated, 1 where nothing usable is.

    Source: PS3.3 C.7.6.3.1.7 (PixelAspectRatio: vertical, horizontal).
    """
    vertical, horizontal = _spacing(ds, "PixelAspectRatio") or (1.0, 1.0)
    return vertical / horizontal


def _spacing(ds: Elements, keyword: str) -> tuple[float, float] | None:
    """Two numbers that distances in a plane can be, or None."""
    with suppress(ReadError):
        found = fields.numbers(ds, keyword, 2)
        if found and usable_steps(*found):
            return found[0], found[1]
    return None


def _table(item: Elements) -> tuple[tuple[float, ...], npt.NDArray[np.float64]]:
    """Descriptor and entries of a look-up table."""
    descriptor = fields.required(item, "LUTDescriptor", 3)
    data = fields.value(item, "LUTData")
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2")
    return descriptor, np.atleast_1d(np.asarray(data if data is not None else [], dtype=np.float64))


def _lut_window(item: Elements, ds: Elements) -> Window | None:
    descriptor, table = _table(item)
    moves = np.flatnonzero(np.diff(table))
    if not moves.size:
        return None
    first = _lut_start(descriptor[1], ds)
    return Window.spanning(first + int(moves[0]), first + int(moves[-1]) + 1)


def _lut_start(stated: float, ds: Elements) -> float:
    """The first input of a VOI LUT, a modality value: read as unsigned it may lie above all that the image can hold."""
    rescale, lut = rescale_of(ds), lut_of(ds)
    ends = [float(x) for x in (stored_range(ds) if lut is None else lut.table[[0, -1]])]
    greatest = max(rescale.slope * x + rescale.intercept for x in ends)
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
