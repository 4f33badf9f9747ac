"""Compressed frames, decoded in a process apart; see `apart`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from medaug import apart
from medaug.errors import ReadError
from medaug.imaging.volume import Stored


@dataclass(frozen=True)
class Frame:
    """What a codec must know of a grey frame.

    Attributes:
        syntax: transfer syntax UID.
        plugin: pydicom's name of the decoder.
        rows: image height in px.
        columns: image width in px.
        allocated: BitsAllocated, 8 or 16.
        stored: BitsStored.
        signed: PixelRepresentation.
        photometric: PhotometricInterpretation.
    """

    syntax: str
    plugin: str
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: int
    photometric: str


def decoded(frame: Frame, codestream: bytes) -> Stored:
    """Decode one frame.

    Returns:
        (rows, columns), uint8 or uint16: the cells as the decoder gives them, writable.

    Raises:
        ReadError: see `apart.ask`.
    """
    pixels = frame.rows * frame.columns
    size = pixels * frame.allocated // 8
    _, cells = apart.ask("frame", asdict(frame), codestream, pixels=pixels, most=size)
    if len(cells) != size:
        raise ReadError(f"expected {size} bytes of pixels, decoded {len(cells)}", code="pixels")
    return np.frombuffer(cells, dtype=f"u{frame.allocated // 8}").reshape(frame.rows, frame.columns)
