"""Stored integers of an instance: one source of truth, never flipped, rescaled or coloured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medaug.dicom import fields
from medaug.dicom.colour_encoding import BYTES, check_layout, is_colour, photometric
from medaug.dicom.fields import Elements
from medaug.dicom.frames import frame_count
from medaug.dicom.read import jpeg12
from medaug.dicom.read.codestream import dimensions, ended
from medaug.dicom.read.preflight import HEAD, Outline
from medaug.errors import ReadError
from medaug.imaging.volume import Stored
from medaug.processes import decoder
from medaug.processes.quiet import quiet

MAX_PIXELS = 2**26  # of one image; the largest detectors and stitched radiographs have 30 million
MAX_VOXELS = 2**28  # of one file; a head of 1 mm has 10 million, a perfusion study 200 million

KNOWN = frozenset({*BYTES, "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "HSV", "ARGB", "CMYK", "XYB"})

# Which of pydicom's plugins decodes what, best first: decoders of a lossy syntax may differ by rounding, so the choice
# must not depend on the order in which packages were installed.
PLUGINS: dict[str, tuple[str, ...]] = {
    JPEGBaseline8Bit: ("pillow", "gdcm"),
    JPEGExtended12Bit: ("pillow", "gdcm"),  # 8 bits only, see `_plugin`
    JPEGLossless: ("gdcm",),
    JPEGLosslessSV1: ("gdcm",),
    JPEGLSLossless: ("pyjpegls", "gdcm"),
    JPEGLSNearLossless: ("pyjpegls", "gdcm"),
    JPEG2000Lossless: ("pylibjpeg", "gdcm"),
    JPEG2000: ("pylibjpeg", "gdcm"),
    HTJ2K: ("pylibjpeg",),
    HTJ2KLossless: ("pylibjpeg",),
    HTJ2KLosslessRPCL: ("pylibjpeg",),
    RLELossless: ("pydicom",),  # pylibjpeg-rle is faster, and panics on damaged data past every `except Exception`
}
# Grey cells of these lie one after the other (PS3.5 8.1.1) and need no decoder, which takes as long as all else
LITTLE_ENDIAN = frozenset({ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian})
PACKAGES = {
    "gdcm": "python-gdcm",
    "pillow": "pillow",
    "pydicom": "pydicom",
    "pyjpegls": "pyjpegls",
    "pylibjpeg": "pylibjpeg with pylibjpeg-openjpeg",
}


def stored_values(ds: Dataset, outline: Outline) -> Stored:
    """Decode an instance of one frame; see `stored_frames`."""
    return next(stored_frames(ds, outline, (0,)))


def stored_frames(ds: Dataset, outline: Outline, frames: Iterable[int]) -> Iterator[Stored]:
    """Decode frames of grey levels, or all samples of a colour image.

    Uncompressed colour stays in the colour space that it is stored in, compressed colour becomes red, green and blue.
    Bits above BitsStored, where old objects keep an overlay, are masked, and the sign is extended into them.

    Args:
        ds: the instance with its pixels.
        outline: of its file.
        frames: 0-based, in any order.

    Yields:
        (rows, columns), uint8, int8, uint16 or int16 in native byte order, which may be read-only; (rows, columns, 3)
        of a colour image.

    Raises:
        ReadError: the codes of `check_encoding` and `check_size`; ``codec`` or ``pixels``, ``decoder-limits`` or
            ``decoder-died``. Compressed pixels are decoded in a process apart, see `decoder`.

    Source: PS3.5 8.1.1 (pixel cells), PS3.3 C.7.6.3.
    """
    check_encoding(ds)
    check_size(ds, outline)
    try:
        with quiet():
            cells, stored = _cells(ds), _stored(ds)
            for frame in frames:
                yield stored(cells(frame))
    except ReadError:
        raise
    except Exception as error:  # pydicom raises anything
        raise ReadError(
            f"the pixel data can't be decoded ({type(error).__name__}); export the image again", code="pixels"
        ) from error


def check_encoding(ds: Dataset) -> None:
    """Refuse what is no plain colour, nor grey integers in one frame or in frames that functional groups describe.

    Raises:
        ReadError: ``multi-frame``, ``functional-groups``, ``palette``, ``colour``,
            ``unsupported-encoding``; ``missing-attribute``.
    """
    frame_count(ds)
    stated = photometric(ds)
    if stated == "PALETTE COLOR":
        raise ReadError("palette colour: its numbers are indices of colours, not grey levels", code="palette")
    if not stated:
        raise ReadError("PhotometricInterpretation is missing; export the image again", code="missing-attribute")
    if is_colour(ds):
        check_layout(ds)
        return
    if stated not in {"MONOCHROME1", "MONOCHROME2"}:
        compressed = "compressed" if ds.file_meta.TransferSyntaxUID.is_encapsulated else "uncompressed"
        raise ReadError(
            f"colour image: expected MONOCHROME1, MONOCHROME2, or {', '.join(BYTES)} with three samples of 8 bits in "
            f"one frame; found {stated if stated in KNOWN else 'another'}, {compressed}; export it in grey",
            code="colour",
        )
    names = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    samples, allocated, stored, high, sign = (fields.integer(ds, name) for name in names)
    legal = samples == 1 and allocated in {8, 16} and 1 <= stored <= allocated and high == stored - 1 and sign in {0, 1}
    if not legal:
        raise ReadError(
            f"expected one sample of 8 or 16 allocated bits with HighBit = BitsStored − 1, found {samples} samples, "
            f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}, PixelRepresentation {sign}",
            code="unsupported-encoding",
        )


def check_size(ds: Dataset, outline: Outline) -> None:
    """Refuse pixel data that is not as long, or a codestream that is not as large, as the header says.

    Raises:
        ReadError: ``no-pixels``, ``too-large``, ``truncated``, ``pixel-length`` or ``codestream-size``.
    """
    rows, columns, frames = fields.integer(ds, "Rows"), fields.integer(ds, "Columns"), frame_count(ds)
    if not outline.has_pixels:
        raise ReadError("there is no pixel data; export the image itself", code="no-pixels")
    if rows < 1 or columns < 1 or rows * columns > MAX_PIXELS:
        raise ReadError(f"{rows} × {columns} pixels (expected 1 to {MAX_PIXELS})", code="too-large")
    if frames * rows * columns > MAX_VOXELS:
        raise ReadError(f"{frames} frames of {rows} × {columns} pixels (limit {MAX_VOXELS} in all)", code="too-large")
    if outline.native_bytes is None:
        if len(outline.fragments) < frames:
            raise ReadError(f"expected {frames} compressed frames, found {len(outline.fragments)}", code="truncated")
        _same_size(outline.codestream, rows, columns)
        return
    per_pixel = BYTES[photometric(ds)] if is_colour(ds) else fields.integer(ds, "BitsAllocated") // 8
    expected = frames * rows * columns * per_pixel
    if outline.native_bytes not in {expected, expected + expected % 2}:
        code = "truncated" if outline.native_bytes < expected else "pixel-length"
        raise ReadError(
            f"expected {expected} bytes of pixels ({frames} × {rows} × {columns}), found {outline.native_bytes}; "
            "export it again",
            code=code,
        )


def _cells(ds: Dataset) -> Callable[[int], Stored]:
    """How a frame's cells are had; what is asked of the header is asked once for all frames."""
    plugin = _plugin(ds.file_meta.TransferSyntaxUID, fields.integer(ds, "BitsStored"))
    if plugin:
        asked, codestreams = _asked(ds, plugin), _codestreams(ds)
        return lambda frame: decoded(asked, _whole(codestreams[frame], asked))
    expected = (fields.integer(ds, "Rows"), fields.integer(ds, "Columns"), *((3,) if is_colour(ds) else ()))
    if ds.file_meta.TransferSyntaxUID in LITTLE_ENDIAN and len(expected) == 2:
        kind = np.dtype(f"<u{fields.integer(ds, 'BitsAllocated') // 8}")
        count, data = expected[0] * expected[1], ds.PixelData
        return lambda frame: np.frombuffer(data, kind, count, frame * count * kind.itemsize).reshape(expected)
    return lambda frame: _native(ds, frame, expected)


def _native(ds: Dataset, frame: int, expected: tuple[int, ...]) -> Stored:
    cells = pixel_array(ds, raw=True, index=frame)  # raw: no other colour space
    if cells.shape != expected:
        raise ReadError(f"expected {expected} pixels, found {cells.shape}", code="pixels")
    return cells


def _asked(ds: Dataset, plugin: str) -> CodedFrame:
    return CodedFrame(
        syntax=str(ds.file_meta.TransferSyntaxUID),
        plugin=plugin,
        rows=fields.integer(ds, "Rows"),
        columns=fields.integer(ds, "Columns"),
        allocated=fields.integer(ds, "BitsAllocated"),
        stored=fields.integer(ds, "BitsStored"),
        signed=fields.integer(ds, "PixelRepresentation"),
        photometric=photometric(ds),
        samples=3 if is_colour(ds) else 1,
    )


def _codestreams(ds: Dataset) -> Sequence[bytes]:
    """All frames' bytes: where each lies is only found by going through those before it."""
    offsets = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in ds else None
    return list(generate_frames(ds.PixelData, number_of_frames=frame_count(ds), extended_offsets=offsets))


def _whole(code: bytes, frame: CodedFrame) -> bytes:
    """One frame's bytes, of the size that the header says: `check_size` saw the first one only."""
    _same_size(code[:HEAD], frame.rows, frame.columns)
    if not ended(code):
        raise ReadError("the compressed image has no end mark; copy the file again", code="truncated")
    return code


def _same_size(codestream: bytes, rows: int, columns: int) -> None:
    found = dimensions(codestream)
    if found not in {None, (rows, columns)}:
        raise ReadError(
            f"the compressed image is {found}, the header says {(rows, columns)} (rows, columns)",
            code="codestream-size",
        )


def check_codec(ds: Dataset) -> None:
    """Refuse a transfer syntax that nothing installed decodes.

    Raises:
        ReadError: ``codec``; the message names the package to install.
    """
    _plugin(ds.file_meta.TransferSyntaxUID, fields.integer(ds, "BitsStored"))


def stored_range(ds: Elements) -> tuple[int, int]:
    """The least and greatest value that BitsStored and PixelRepresentation can hold."""
    bits = fields.integer(ds, "BitsStored")
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if fields.integer(ds, "PixelRepresentation") else (0, 2**bits - 1)


def _plugin(syntax: UID, bits: int) -> str:
    """The plugin to use, or ``""`` for native pixel data.

    Raises:
        ReadError: ``codec``; the message names the package to install.
    """
    if not syntax.is_transfer_syntax:
        raise ReadError("the transfer syntax is not one that DICOM defines", code="codec")
    if not syntax.is_encapsulated:
        return ""
    wanted = PLUGINS.get(syntax, ())
    if syntax in jpeg12.SYNTAXES and not (syntax == JPEGExtended12Bit and bits <= 8):
        if jpeg12.available():
            return jpeg12.PLUGIN
        raise ReadError(f"{syntax.name} needs a decoder that is not installed: install python-gdcm", code="codec")
    if not wanted:
        raise ReadError(
            f"no decoder for transfer syntax {syntax} ({syntax.name}); export it uncompressed", code="codec"
        )
    available = get_decoder(syntax).available_plugins
    for plugin in wanted:
        if plugin in available:
            return plugin
    packages = " or ".join(PACKAGES[plugin] for plugin in wanted)
    raise ReadError(f"{syntax.name} needs a decoder that is not installed: install {packages}", code="codec")


def _stored(ds: Dataset) -> Callable[[Stored], Stored]:
    """What makes stored values of a frame's cells; the header is asked once for all frames.

    Modulo arithmetic on the cells: 12 signed bits in 16 are right whether or not the decoder extended the sign.
    """
    allocated, bits = fields.integer(ds, "BitsAllocated"), fields.integer(ds, "BitsStored")
    signed, unsigned = bool(fields.integer(ds, "PixelRepresentation")), np.dtype(f"u{allocated // 8}")
    mask, top = unsigned.type(2**bits - 1), unsigned.type(2 ** (bits - 1))

    def stored(found: Stored) -> Stored:
        cells = found.astype(unsigned, copy=False)
        if bits < allocated and cells.max() > mask:
            cells = cells & mask
        if not signed:
            return cells
        extended: Stored = (cells ^ top) - top
        return extended.view(np.dtype(f"i{allocated // 8}"))  # two's complement

    return stored


@dataclass(frozen=True)
class CodedFrame:
    """What a codec must know of a frame.

    Attributes:
        syntax: transfer syntax UID.
        plugin: pydicom's name of the decoder.
        rows: image height in px.
        columns: image width in px.
        allocated: BitsAllocated, 8 or 16.
        stored: BitsStored.
        signed: PixelRepresentation.
        photometric: PhotometricInterpretation.
        samples: of a pixel: 1, or 3 that are decoded to red, green and blue.
    """

    syntax: str
    plugin: str
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: int
    photometric: str
    samples: int = 1


def decoded(frame: CodedFrame, codestream: bytes) -> Stored:
    """Decode one frame.

    Returns:
        (rows, columns[, 3]), uint8 or uint16: the cells as the decoder gives them, writable.

    Raises:
        ReadError: see `medaug.processes.decoder.ask`.
    """
    pixels = frame.rows * frame.columns
    size = pixels * frame.samples * frame.allocated // 8
    _, cells = decoder.ask("frame", asdict(frame), codestream, pixels=pixels, most=size)
    if len(cells) != size:
        raise ReadError(f"expected {size} bytes of pixels, decoded {len(cells)}", code="pixels")
    shape = (frame.rows, frame.columns, *((frame.samples,) if frame.samples > 1 else ()))
    return np.frombuffer(cells, dtype=f"u{frame.allocated // 8}").reshape(shape)
