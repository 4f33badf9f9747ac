"""Colour pixel data that is handled: 8 bits, one frame; which samples it holds, and in which order.

Compressed samples are decoded to red, green and blue, whatever colour space they are compressed in: so are the samples
of their variants, which are uncompressed.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medaug.dicom import fields
from medaug.dicom.frames import frame_count, is_enhanced
from medaug.errors import ReadError
from medaug.imaging.colour import NEUTRAL, Colour
from medaug.imaging.greying import Converted, to_grey
from medaug.imaging.volume import Stored

SHARED = "YBR_FULL_422"  # two pixels share Cb and Cr
BYTES = {"RGB": 3, "YBR_FULL": 3, SHARED: 2}  # per pixel, by Photometric Interpretation
DECODED = ("RGB", "YBR_FULL", SHARED, "YBR_RCT", "YBR_ICT")  # compressed in
SYNTAXES = frozenset(
    {
        *(JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, RLELossless),
        *(JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL),
    }
)
LEAST_GREY = 0.5  # of an image's pixels; with fewer there is next to nothing that may change


def is_colour(ds: Dataset) -> bool:
    """Whether the samples are of a kind whose grey pixels may be changed; says nothing of what they hold."""
    stated = photometric(ds)
    if stated not in DECODED or is_enhanced(ds):
        return False
    if ds.file_meta.TransferSyntaxUID not in SYNTAXES if is_compressed(ds) else stated not in BYTES:
        return False
    names = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    return tuple(fields.integer(ds, name) for name in names) == (3, 8, 8, 7, 0) and frame_count(ds) == 1


def is_compressed(ds: Dataset) -> bool:
    """Whether the pixels have to be decoded."""
    return bool(ds.file_meta.TransferSyntaxUID.is_encapsulated)


def settle(ds: Dataset) -> None:
    """State of a compressed colour image what its decoded samples are, in place: a variant of it starts from this."""
    if is_colour(ds) and is_compressed(ds):
        ds.PhotometricInterpretation, ds.PlanarConfiguration = "RGB", 0


def check_layout(ds: Dataset) -> None:
    """Refuse what no reader could take apart.

    Raises:
        ReadError: ``unsupported-encoding``; ``missing-attribute``.
    """
    if is_compressed(ds):  # the codestream has a layout of its own
        return
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
    return Colour(samples, photometric(ds) != "RGB" and not is_compressed(ds)) if is_colour(ds) else None


def of_source(ds: Dataset, samples: Stored) -> tuple[Stored, Converted]:
    """A source's samples as its variants hold them: its own, or the grey that stands for a tint.

    An image whose pixels are mostly grey keeps what colour it has. One whose pixels are nearly all coloured by their
    brightness (`greying.to_grey`) has no colour that says anything: it becomes grey in all samples.

    Args:
        ds: its header.
        samples: (…, rows, columns, 3), decoded; grey levels and frames are returned as they are.

    Returns:
        The samples, and what was done.
    """
    colour = colour_of(ds, samples)
    if colour is None or _grey_share(colour) >= LEAST_GREY:
        return samples, ""
    try:
        plane, converted = to_grey(samples.reshape(-1, *samples.shape[-2:]), ybr=colour.luminance)
    except ValueError:
        return samples, ""  # `mostly_grey` refuses it
    grey = np.full(samples.shape, NEUTRAL, dtype=samples.dtype)
    grey[..., : 1 if colour.luminance else 3] = plane.reshape(*samples.shape[:-1], 1)
    return grey, converted


def mostly_grey(colour: Colour) -> Colour:
    """The same, refused where too few of its pixels may change.

    Raises:
        ReadError: ``colour``, with the figures.
    """
    share, pixels = _grey_share(colour), colour.coloured.size
    if share < LEAST_GREY:
        raise ReadError(
            f"colour image: {round(share * pixels)} of {pixels} pixels are grey ({share:.2%}, at least "
            f"{LEAST_GREY:.0%} needed), only those may change, and it isn't a tint; export it in grey",
            code="colour",
        )
    return colour


def _grey_share(colour: Colour) -> float:
    return float(1 - np.mean(colour.coloured))


def photometric(ds: Dataset) -> str:
    """PhotometricInterpretation in capitals, or ``""``."""
    return fields.text(ds, "PhotometricInterpretation").upper()
