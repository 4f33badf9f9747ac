"""A digest of an image's numbers that outlives a rewritten header and lossless recompression."""

from __future__ import annotations

import hashlib

import numpy as np

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
