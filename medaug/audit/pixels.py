"""A digest of an image's numbers that outlives a rewritten header and lossless recompression."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from medaug.dicom.decode import stored_values
from medaug.dicom.frames import frame_count
from medaug.dicom.parse import Instance, instance
from medaug.errors import ReadError
from medaug.formats import FORMATS, format_of
from medaug.imaging.volume import Stored

VERSION = "medaug-pixels-1"


def pixels_digest(stored: Stored) -> str:
    """SHA-256 of an image's stored values, as a decoder gives them: never of Pixel Data, which depends on the syntax.

    What is hashed is one line of ASCII, ``medaug-pixels-1 u2 1 512 512`` and a line feed (the kind of number: u, i or f
    and its bytes; slices, rows, columns), then the values, slice by slice (frame by frame), row by row, little endian.
    Of a colour image all samples are hashed, pixel by pixel in the colour space that they are stored in (red, green,
    blue; or Y, Cb, Cr, which pixels may share), whatever the planar configuration; the line ends with `` 3``.

    Args:
        stored: (slices, rows, columns), or (rows, columns), a single slice; integers or floats. (slices, rows, columns,
            3) of a colour image.
    """
    array = stored if stored.ndim > 2 else stored[None]
    head = f"{VERSION} {array.dtype.kind}{array.dtype.itemsize} {' '.join(map(str, array.shape))}\n"
    digest = hashlib.sha256(head.encode())
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def digest_of_image(path: Path) -> str:
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
        found = FORMATS.get(kind) if kind else format_of(path)
    except OSError as error:
        raise ReadError(f"the file can't be read ({error.strerror}); check the disk") from None
    return found.read(path).stored if found else decoded(instance(path))


def decoded(read: Instance) -> Stored:
    """The stored values of a parsed instance, all its frames: (frames, rows, columns), with samples last in colour.

    Raises:
        ReadError: the pixel data can't be decoded.
    """
    count = frame_count(read.dataset)
    return np.stack([stored_values(read.dataset, read.outline, frame) for frame in range(count)])
