"""Whether every byte of a PNG or TIFF that medaug wrote has a meaning: readers pass over those that have none."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from medaug.formats.deflated import ZLIB, inflated_size

PNG = b"\x89PNG\r\n\x1a\n"
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # bytes of a value, by the type of a TIFF's entry
_OFFSETS, _LENGTHS = 273, 279  # StripOffsets, StripByteCounts


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes of each chunk of a PNG before its end, length and sum included; then b"" and what follows.

    Source: PNG (third edition), 5.3.
    """
    at = len(PNG)
    while at + 8 <= len(data) and data[at + 4 : at + 8] != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at:end]
        at = end
    yield b"", data[at:]


def png_is_full(data: bytes, size: int) -> bool:
    """Whether a PNG's image data are one stream of pixels, with nothing behind it.

    Args:
        data: the file.
        size: bytes of its filtered pixels: rows × (1 + bytes of a row).
    """
    pixels = b"".join(chunk[8:-4] for name, chunk in chunks(data) if name == b"IDAT")
    return inflated_size(io.BytesIO(pixels), ZLIB) == size


def tiff_is_full(data: bytes, size: int) -> bool:
    """Whether a TIFF is a header, one directory, what its entries refer to, and nothing else but bytes of padding.

    Args:
        data: the file: one image in deflated strips.
        size: bytes of its pixels.

    Source: TIFF 6.0, section 2.
    """
    try:
        parts, strips = _parts(data)
    except (struct.error, IndexError, KeyError):
        return False
    at = 0
    for start, end in sorted([*parts, *strips, (len(data), len(data))]):
        if start - at > 1 or any(data[at:start]):  # offsets are even
            return False
        at = max(at, end)
    sizes = [inflated_size(io.BytesIO(data[start:end]), ZLIB) for start, end in strips]
    return None not in sizes and sum(one or 0 for one in sizes) == size


def _parts(data: bytes) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(start, end) of what isn't pixels, and of the strips; raises whatever damage provokes."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    (first,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, first)
    parts = [(0, 8), (first, first + 2 + 12 * count + 4)]
    places: dict[int, tuple[int, ...]] = {}
    for at in range(first + 2, first + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, at)
        long, start = _SIZES[kind] * number, at + 8
        if long > 4:
            (start,) = struct.unpack_from(f"{order}I", data, at + 8)
            parts.append((start, start + long))
        if tag in {_OFFSETS, _LENGTHS}:
            places[tag] = struct.unpack_from(f"{order}{number}{'H' if _SIZES[kind] == 2 else 'I'}", data, start)
    pairs = zip(places[_OFFSETS], places[_LENGTHS], strict=False)
    return parts, [(start, start + long) for start, long in pairs]
