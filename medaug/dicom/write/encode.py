"""The encodings that a derived instance may be written in: native, or compressed without loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from medaug.dicom.colour_encoding import is_colour
from medaug.dicom.write.stored_values import put_pixels
from medaug.errors import WriteError
from medaug.imaging.volume import Stored

OutputSyntax = Literal["explicit-le", "jpeg2000-lossless", "jpeg-ls-lossless", "rle-lossless"]


@dataclass(frozen=True)
class Codec:
    """How one encoding is made.

    Attributes:
        syntax: its transfer syntax.
        plugin: the one of pydicom's encoders that is used, so that the bytes don't depend on what else is installed.
        package: what to install for it.
    """

    syntax: UID
    plugin: str = ""
    package: str = ""


CODECS: dict[OutputSyntax, Codec] = {
    "explicit-le": Codec(ExplicitVRLittleEndian),
    "jpeg2000-lossless": Codec(JPEG2000Lossless, "pylibjpeg", "pylibjpeg with pylibjpeg-openjpeg"),
    "jpeg-ls-lossless": Codec(JPEGLSLossless, "pyjpegls", "pyjpegls"),
    "rle-lossless": Codec(RLELossless, "pydicom", "pydicom"),
}


def encode(ds: Dataset, stored: Stored, wanted: OutputSyntax) -> None:
    """Set PixelData, and the transfer syntax in ``ds.file_meta``; that nothing is lost is checked after writing.

    Args:
        ds: the header with its file meta, changed in place.
        stored: (rows, columns), (frames, rows, columns), or (rows, columns, 3) of a colour image, in the dtype that
            ``ds`` states.
        wanted: the encoding.

    Raises:
        WriteError: ``codec``: no encoder is installed, or it can't hold these values.
    """
    codec = CODECS[wanted]
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    put_pixels(ds, stored)
    if not codec.plugin:
        return
    if is_colour(ds):
        raise WriteError(f"output_syntax {wanted} can't hold a colour image; choose explicit-le", code="codec")
    if codec.plugin not in get_encoder(codec.syntax).available_plugins:
        raise WriteError(
            f"output_syntax {wanted} needs an encoder that is not installed: install {codec.package}, or choose "
            "explicit-le",
            code="codec",
        )
    try:
        ds.compress(codec.syntax, stored, encoding_plugin=codec.plugin, generate_instance_uid=False)
    except Exception as error:  # encoders raise anything
        raise WriteError(
            f"the pixels can't be written as {wanted} ({type(error).__name__}); choose explicit-le", code="codec"
        ) from error
