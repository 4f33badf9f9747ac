"""Lossy JPEG of 12 bits, and its retired processes, by GDCM itself: pydicom's way to GDCM leaves them out.

Runs in the decoder's own process, see `decoder`.
"""

from __future__ import annotations

from importlib.util import find_spec

PLUGIN = "gdcm itself"
SYNTAXES = (
    "1.2.840.10008.1.2.4.51",  # JPEG Extended (Process 2 and 4), with more than 8 bits
    "1.2.840.10008.1.2.4.53",  # Spectral Selection, Non-Hierarchical (Process 6 and 8), retired
    "1.2.840.10008.1.2.4.55",  # Full Progression, Non-Hierarchical (Process 10 and 12), retired
)


def available() -> bool:
    """Whether GDCM is installed."""
    return find_spec("gdcm") is not None


def cells(codestream: bytes, syntax: str, size: tuple[int, int], bits: tuple[int, int], photometric: str) -> bytes:
    """The cells of one grey frame, row by row, in the machine's byte order.

    Args:
        codestream: one frame.
        syntax: one of `SYNTAXES`.
        size: rows and columns.
        bits: BitsAllocated and BitsStored; a JPEG holds no signed values, so neither do the cells.
        photometric: MONOCHROME1 or MONOCHROME2.

    Raises:
        ValueError: GDCM decodes nothing.
    """
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(codestream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((size[1], size[0], 1))
    image.SetPixelFormat(gdcm.PixelFormat(1, bits[0], bits[1], bits[1] - 1, 0))
    kind = gdcm.PhotometricInterpretation.GetPIType(photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    image.SetDataElement(pixel_data)
    found: str = image.GetBuffer()  # bytes that SWIG took for text
    if not found:
        raise ValueError("nothing was decoded")
    return found.encode("utf-8", "surrogateescape")
