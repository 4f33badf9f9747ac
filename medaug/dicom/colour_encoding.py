"""Colour pixel data that is handled: 8 bits, uncompressed, one frame; which samples it holds, and in which order."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.frames import frame_count, is_enhanced
from medaug.errors import ReadError
from medaug.imaging.colour import Colour
from medaug.imaging.volume import Stored

SHARED = "YBR_FULL_422"  # two pixels share Cb and Cr
BYTES = {"RGB": 3, "YBR_FULL": 3, SHARED: 2}  # per pixel, by Photometric Interpretation
LEAST_GREY = 0.5  # of an image's pixels; with fewer there is next to nothing that may change


def is_colour(ds: Dataset) -> bool:
    """Whether the samples are of a kind whose grey pixels may be changed; says nothing of what they hold."""
    if photometric(ds) not in BYTES or ds.file_meta.TransferSyntaxUID.is_encapsulated or is_enhanced(ds):
        return False
    names = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    return tuple(fields.integer(ds, name) for name in names) == (3, 8, 8, 7, 0) and frame_count(ds) == 1


def check_layout(ds: Dataset) -> None:
    """Refuse what no reader could take apart.

    Raises:
        ReadError: ``unsupported-encoding``; ``missing-attribute``.
    """
    planar, columns = fields.integer(ds, "PlanarConfiguration"), fields.integer(ds, "Columns")
    if planar not in {0, 1} or (photometric(ds) == SHARED and (planar or columns % 2)):
        raise ReadError(
            f"expected PlanarConfiguration 0 or 1, and for {SHARED} 0 and an even number of columns, found "
            f"{planar} and {columns} columns; export it again",
            code="unsupported-encoding",
        )


def laid_out(ds: Dataset, samples: Stored) -> Stored:
    """The samples (rows, columns, 3) in the order in which ``ds`` stores them; where two share chroma, the first's.

    Source: PS3.3 C.7.6.3.1.2 (Y₁ Y₂ Cb Cr for each two pixels of YBR_FULL_422), C.7.6.3.1.3 (planes or pixels).
    """
    if photometric(ds) == SHARED:
        rows, columns, _ = samples.shape
        luminances = samples[..., 0].reshape(rows, columns // 2, 2)
        return np.concatenate([luminances, samples[:, ::2, 1:]], axis=-1)
    return np.moveaxis(samples, -1, 0) if fields.integer(ds, "PlanarConfiguration") else samples


def colour_of(ds: Dataset, samples: Stored) -> Colour | None:
    """What the samples mean; None for grey levels, which are no samples of a colour."""
    return Colour(samples, photometric(ds) != "RGB") if is_colour(ds) else None


def mostly_grey(colour: Colour) -> Colour:
    """The same, refused where too few of its pixels may change.

    Raises:
        ReadError: ``colour``, with the figures.
    """
    grey, pixels = int(np.count_nonzero(~colour.coloured)), colour.coloured.size
    if grey < LEAST_GREY * pixels:
        raise ReadError(
            f"colour image: {grey} of {pixels} pixels are grey ({grey / pixels:.2%}, at least {LEAST_GREY:.0%} "
            "needed), and only those may change; export it in grey",
            code="colour",
        )
    return colour


def photometric(ds: Dataset) -> str:
    """PhotometricInterpretation in capitals, or ``""``."""
    return fields.text(ds, "PhotometricInterpretation").upper()
