"""A digest of an image's numbers that outlives a rewritten header and lossless recompression."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from medaug.dicom.decode import stored_values
from medaug.dicom.frames import frame_count
from medaug.dicom.parse import Instance, instance
from medaug.imaging.volume import Stored
from medaug.nifti import read_nifti

VERSION = "medaug-pixels-1"
NIFTI = (".nii", ".nii.gz")


def pixels_digest(stored: Stored) -> str:
    """SHA-256 of an image's stored values, as a decoder gives them: never of Pixel Data, which depends on the syntax.

    What is hashed is one line of ASCII, ``medaug-pixels-1 u2 1 512 512`` and a line feed (the kind of number: u, i or f
    and its bytes; slices, rows, columns), then the values, slice by slice (frame by frame), row by row, little endian.

    Args:
        stored: (slices, rows, columns) or (rows, columns), a single slice; integers or floats.
    """
    array = stored if stored.ndim == 3 else stored[None]
    head = f"{VERSION} {array.dtype.kind}{array.dtype.itemsize} {' '.join(map(str, array.shape))}\n"
    digest = hashlib.sha256(head.encode())
    digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def digest_of_image(path: Path) -> str:
    """`pixels_digest` of a DICOM or NIfTI file.

    Raises:
        ReadError: the file can't be read or decoded.
    """
    if path.name.endswith(NIFTI):
        return pixels_digest(read_nifti(path).stored)
    return pixels_digest(decoded(instance(path)))


def decoded(read: Instance) -> Stored:
    """The stored values of a parsed instance, all its frames: (frames, rows, columns).

    Raises:
        ReadError: the pixel data can't be decoded.
    """
    count = frame_count(read.dataset)
    return np.stack([stored_values(read.dataset, read.outline, frame) for frame in range(count)])
