"""PNG, JPEG and TIFF in, PNG and TIFF out: grey images of 8 or 16 bits, or colour ones that are grey or tinted.

An image is one slice in pixel space: its resolution, if it states one, is a printer's, not a patient's. Only the pixels
are carried over; EXIF, text and profiles stay behind. JPEG can't hold protected pixels bit for bit, so a variant of a
JPEG is a PNG (docs/adr/0010-png-for-jpeg.md).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from medaug.errors import ReadError, WriteError
from medaug.formats.picture_bytes import PNG, chunks, png_is_full, tiff_is_full
from medaug.imaging.geometry import planar
from medaug.imaging.greying import Converted, to_grey
from medaug.imaging.volume import Rescale, SourceRef, Stored, Volume, Window
from medaug.processes import decoder
from medaug.processes.quiet import quiet
from medaug.storage import archive
from medaug.storage.atomic import replacing
from medaug.version import __version__

RasterKind = Literal["png", "jpeg", "tiff"]
_PLACES = frozenset({273, 278, 279, 324, 325})  # TIFF tags: where strips and tiles lie, and their lengths
SUFFIX: dict[RasterKind, str] = {"png": ".png", "jpeg": ".png", "tiff": ".tif"}  # of a variant
MAGIC: tuple[tuple[bytes, RasterKind], ...] = (
    (PNG, "png"), (b"\xff\xd8\xff", "jpeg"), (b"II*\0", "tiff"), (b"MM\0*", "tiff"),
)  # fmt: skip
HEAD = 132  # bytes that tell a file's kind
MAX_PIXELS = 2**26  # as of a DICOM image
MAX_FILE = 2**28  # bytes
MODES = {"L": 8, "I;16": 16, "I;16B": 16, "RGB": 8, "RGBA": 8, "LA": 8}
# What a decoder tells beside pixels and can hold no name. Anything else makes the identity unknown.
NAMELESS = frozenset(
    {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "gamma", "srgb",
     "chromaticity", "interlace", "aspect", "compression", "resolution", "adobe", "adobe_transform", "icc_profile"}
)  # fmt: skip
TEXT_TAGS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 34377, 33723, 700, 34665, 34853)  # of TIFF
BITS, PHOTOMETRIC, ORIENTATION = 258, 262, 274  # TIFF tags; orientation is EXIF's, too
WHITE_IS_ZERO = 0
NOTICE = "SYNTHETIC: some or all pixels were generated; for research and training only"
COPY_NOTICE = "CLASSIC COPY: resampled from its source, no pixel was generated; for research and training only"


def kind_of(path: Path) -> RasterKind | None:
    """What a file is by its first bytes, or None; a DICOM file may begin like a TIFF and is none.

    Raises:
        OSError: it can't be opened.
        ReadError: it lies in an archive that can't be read.
    """
    with archive.opened(path) as stream:
        head = stream.read(HEAD)
    if head[128:132] == b"DICM":
        return None
    return next((kind for magic, kind in MAGIC if head.startswith(magic)), None)


def read_raster(path: Path) -> Volume:
    """Read an image as one slice; three channels become one where `to_grey` can, and ``converted`` says how.

    8 bits are taken as they are shown, from 0 to 255; 16 bits state no window. WhiteIsZero is turned: bright is high.
    The names that stand for UIDs are made from the pixels. Identity is ``declared`` when nothing beside the pixels can
    hold a name (no EXIF, no text, no comment), else ``unknown``.

    Raises:
        ReadError: ``colour``, ``palette``, ``alpha``, ``multi-frame``, ``turned``, ``unsupported-encoding``,
            ``too-large``, ``truncated`` or ``unreadable``; those of `apart.ask`.
    """
    kind = _kind(path)
    with _coded(), archive.opened(path) as stream:
        data = stream.read()
    digest = hashlib.sha256(data).hexdigest()
    said, cells = decoder.ask("raster", {"kind": kind}, data, pixels=MAX_PIXELS, most=2 * MAX_PIXELS)
    stored = np.frombuffer(cells, dtype=f"u{said['bytes']}").reshape(said["shape"])
    nameless = said["nameless"] is True
    source = _source(path, kind, digest, stored, nameless=nameless)
    deep = stored.dtype.itemsize == 2
    return Volume(
        stored=stored[None],
        geometry=planar(stored.shape[0], stored.shape[1], None),
        rescale=(Rescale(),),
        window=None if deep else Window.spanning(0, 255),
        stored_range=(0, 65535 if deep else 255),
        padding=None,
        inverted=False,
        source=source,
        converted=said["converted"],
    )


def channels_of(path: Path) -> int:
    """1 for a grey image, 3 for one in colour, and one more where there is an opaque alpha; a variant keeps it.

    Raises:
        ReadError: see `read_raster`.
    """
    kind = _kind(path)
    with _coded(), archive.opened(path) as stream, _image(kind, stream) as image:
        mode: str = image.mode
        return (3 if mode.startswith("RGB") else 1) + mode.endswith("A")


def taken(kind: RasterKind, data: bytes) -> tuple[Stored, Converted, bool]:
    """Decode a file's bytes: (rows, columns), what made them grey, and whether no name can lie beside. Runs apart.

    Raises:
        ReadError: see `read_raster`.
    """
    with _coded(), _image(kind, io.BytesIO(data)) as image:
        stored, converted = _grey(image)  # before the rest: some formats tell more once their pixels are read
        return stored, converted, _nameless(image)


def write_raster(volume: Volume, path: Path, channels: int = 1, *, generated: bool = True) -> None:
    """Write one slice as PNG or TIFF with the same numbers, nothing else of the source's, and a mark of what it is.

    The file is written beside its name, read back and compared, and only then takes its name.

    Args:
        volume: one slice of uint8 or uint16.
        path: ends in ``.png`` or ``.tif``.
        channels: 3 writes the grey value into red, green and blue; 2 and 4 add an opaque alpha.
        generated: False marks it as a classic copy, of which nothing was generated.

    Raises:
        WriteError: such a file can't hold this volume, or it did not read back as written.
    """
    stored = volume.stored[0]
    fits = len(volume.stored) == 1 and stored.dtype in (np.uint8, np.uint16) and not volume.inverted
    if not fits or (channels > 1 and stored.dtype != np.uint8) or path.suffix not in {".png", ".tif"}:
        raise WriteError(
            f"image file: expected one slice of 8 or 16 unsigned bits (8 in colour), found {volume.stored.shape} "
            f"{volume.stored.dtype}"
        )
    with replacing(path) as passing:
        with passing.open("wb") as file:
            _save(_in_channels(stored, channels), file, path.suffix, generated=generated)
        if not np.array_equal(read_raster(passing).stored, volume.stored) or channels_of(passing) != channels:
            raise WriteError("image file: what was written did not read back equal; check the disk")


def states_raster(path: Path, volume: Volume, channels: int, *, generated: bool = True) -> bool:
    """Whether a picture says of itself what `write_raster` writes, whatever its pixels are.

    Args:
        path: of the picture.
        volume: one slice of uint8 or uint16.
        channels: as for `write_raster`.
        generated: likewise.

    Raises:
        ReadError: it can't be read.
    """
    made, pixels = io.BytesIO(), _in_channels(np.zeros_like(volume.stored[0]), channels)
    _save(pixels, made, path.suffix, generated=generated)
    with archive.opened(path) as stream:
        data = stream.read()
    is_png = path.suffix == SUFFIX["png"]
    full = png_is_full(data, pixels.nbytes + len(pixels)) if is_png else tiff_is_full(data, pixels.nbytes)
    with _coded():
        return full and _said(io.BytesIO(data)) == _said(made)


def _said(stream: BinaryIO) -> tuple[object, ...]:
    """Size, kind and every text, tag or chunk of a picture, but for where its pixels lie."""
    from PIL import Image

    stream.seek(0)
    data = stream.read()
    beside = [chunk for name, chunk in chunks(data) if name != b"IDAT"] if data.startswith(PNG) else []
    with quiet(), Image.open(stream, formats=("PNG", "TIFF")) as image:
        image.load()
        tags = {tag: value for tag, value in getattr(image, "tag_v2", {}).items() if tag not in _PLACES}
        return image.format, image.mode, image.size, dict(image.info), tags, beside


def _in_channels(stored: Stored, channels: int) -> Stored:
    """(rows, columns), or with a last axis; grey and red, green and blue alike, alpha 255."""
    if channels == 1:
        return stored
    pixels = np.repeat(stored[..., None], channels, axis=2)
    if channels % 2 == 0:
        pixels[..., -1] = 255
    return pixels


def _save(pixels: Stored, file: BinaryIO, suffix: str, *, generated: bool) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    image, notice = Image.fromarray(pixels), NOTICE if generated else COPY_NOTICE
    if suffix == ".png":
        text = PngInfo()
        text.add_text("Software", f"medaug {__version__}")
        text.add_text("Description", notice)
        image.save(file, format="PNG", pnginfo=text)
    else:
        image.save(file, format="TIFF", compression="tiff_adobe_deflate", software="medaug", description=notice)


@contextmanager
def _image(kind: RasterKind, stream: BinaryIO) -> Iterator[Any]:
    """The image behind its checks."""
    from PIL import Image

    with quiet(), Image.open(stream, formats=(kind.upper(),)) as image:
        _check(image, stream)
        yield image


@contextmanager
def _coded() -> Iterator[None]:
    """Turn whatever Pillow raises into a code."""
    from PIL import Image

    try:
        yield
    except (ReadError, MemoryError):
        raise
    except OSError as error:
        damaged = isinstance(error, Image.UnidentifiedImageError) or error.errno is None
        what = "it is damaged or cut short; copy it again" if damaged else f"it can't be read ({error.strerror})"
        raise _refused(what, "truncated" if damaged else "unreadable") from None
    except Image.DecompressionBombError:  # of twice Pillow's own limit, before `_check` sees the size
        raise _refused(f"more pixels than {MAX_PIXELS}", "too-large") from None
    except Exception as error:  # decoders raise anything
        raise _refused(f"it can't be decoded ({type(error).__name__}); save it again", "unreadable") from error


def _kind(path: Path) -> RasterKind:
    with _coded():
        return _kind_within_limits(path)


def _kind_within_limits(path: Path) -> RasterKind:
    if archive.size(path) > MAX_FILE:
        raise _refused(f"it has {archive.size(path)} bytes (limit {MAX_FILE})", "too-large")
    kind = kind_of(path)
    if kind is None:
        raise _refused("expected a PNG, JPEG or TIFF image, found something else", "unreadable")
    return kind


def _refused(text: str, code: str) -> ReadError:
    return ReadError(f"image file: {text}", code=code)


def _check(image: Any, stream: BinaryIO) -> None:
    """Refuse what isn't one upright image of 8 or 16 bits, before a pixel is decoded."""
    width, height = image.size
    if not 1 <= width * height <= MAX_PIXELS:
        raise _refused(f"{height} × {width} pixels (expected 1 to {MAX_PIXELS})", "too-large")
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise _refused(f"expected one image, found {frames}; save each as a file of its own", "multi-frame")
    if image.mode == "P":
        raise _refused("a palette: its numbers are indices of colours; save it in grey", "palette")
    bits = _bits(image, stream)
    if MODES.get(image.mode) != bits:
        found = f"mode {image.mode} of {bits} bits"
        raise _refused(
            f"expected 8 or 16 bits of grey, or 8 of colour, found {found}; save it so", "unsupported-encoding"
        )
    if "transparency" in image.info:
        raise _refused("one of its values means transparent; save it without", "alpha")
    turned = image.getexif().get(ORIENTATION, 1)
    if turned != 1:
        found = f"its orientation tag is {turned}, and whether boxes follow it isn't known"
        raise _refused(f"{found}; save it upright, without the tag", "turned")


def _bits(image: Any, stream: BinaryIO) -> int:
    """Bits per sample as the file has them: Pillow cuts 16 bits of colour down to 8 without a word."""
    if image.format == "PNG":
        place = stream.tell()
        stream.seek(24)  # IHDR: length, name, width, height, depth
        depth = stream.read(1)[0]
        stream.seek(place)
        return depth
    if image.format == "TIFF":
        depths = set(image.tag_v2.get(BITS, (1,)))
        return int(max(depths)) if len(depths) == 1 else 0
    return 8


def _grey(image: Any) -> tuple[Stored, Converted]:
    """(rows, columns), uint8 or uint16, and how colour became so."""
    values = np.asarray(image)
    converted: Converted = ""
    if image.mode in {"RGBA", "LA"}:
        if (values[..., -1] != 255).any():
            raise _refused("parts of it are transparent; save it without an alpha channel", "alpha")
        values = values[..., :-1]
    if values.ndim == 3:
        try:
            values, converted = to_grey(values) if values.shape[2] == 3 else (values[..., 0], converted)
        except ValueError as error:
            raise _refused(f"colour: {error}; save it in grey", "colour") from None
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    turned = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO
    if turned and values.dtype == np.uint16:  # of 8 bits Pillow turns it
        values = np.uint16(65535) - values
    return values, converted


def _nameless(image: Any) -> bool:
    if image.format == "TIFF":
        return not any(tag in image.tag_v2 for tag in TEXT_TAGS)
    return not (image.info.keys() - NAMELESS) and not image.getexif()


def _source(path: Path, kind: RasterKind, digest: str, stored: Stored, *, nameless: bool) -> SourceRef:
    content = hashlib.sha256(f"{stored.shape} {stored.dtype.name}".encode())
    content.update(stored.data)
    name = f"raster-{content.hexdigest()[:32]}"
    return SourceRef(
        format=kind,
        modality="",
        study_uid=name,
        series_uid=name,
        instance_uids=(name,),
        files=(path,),
        sha256=(digest,),
        identity="declared" if nameless else "unknown",
    )
