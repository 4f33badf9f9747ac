"""The stored values of an image file of any format, and their digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medaug.dicom.frames import frame_count
from medaug.dicom.read.decode import stored_frames
from medaug.dicom.read.parse import Instance, instance
from medaug.errors import ReadError
from medaug.formats.registry import FORMATS, format_of
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Stored, Volume


def image_digest(path: Path) -> str:
    """`pixels_digest` of an image file.

    Raises:
        ReadError: the file can't be read or decoded.
    """
    return pixels_digest(stored_of(path))


def stored_of(path: Path, kind: str | None = None) -> Stored:
    """The stored values of a DICOM instance, all its frames, or of another image file: (slices, rows, columns[, 3]).

    Args:
        path: the file.
        kind: ``dicom`` or a name of `formats.FORMATS` where it is known; told by name and content otherwise.

    Raises:
        ReadError: the file can't be read or decoded.
    """
    try:
        known_format = FORMATS.get(kind) if kind else format_of(path)
    except OSError as error:
        raise ReadError(f"the file can't be read ({error.strerror}); check the disk") from None
    return known_format.read(path).stored if known_format else decoded(instance(path))


def volume_of(path: Path, kind: str | None) -> Volume:
    """An image file that is no DICOM.

    Args:
        path: the file.
        kind: a name of `formats.FORMATS`.

    Raises:
        ReadError: there is no such kind, or the file can't be read or decoded.
    """
    if kind not in FORMATS:
        raise ReadError("its record names no format of the source; restore it")
    return FORMATS[kind].read(path)


def decoded(read: Instance) -> Stored:
    """The stored values of a parsed instance, all its frames: (frames, rows, columns), with samples last in colour.

    Raises:
        ReadError: the pixel data can't be decoded.
    """
    frames = range(frame_count(read.dataset))
    return np.stack(list(stored_frames(read.dataset, read.outline, frames)))
