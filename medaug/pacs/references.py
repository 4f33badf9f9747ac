"""Which images an annotation is about: the references that it holds."""

from __future__ import annotations

from collections.abc import Container, Iterator

from pydicom.dataset import Dataset

from medaug.annotations.dicom_objects import CLASSES
from medaug.dicom.read.parse import coded
from medaug.errors import ReadError

KINDS = {"seg": "SEG", "rtstruct": "RTSTRUCT", "sr": "SR"}  # how a reader calls it → Modality


def refuse_unrelated(ds: Dataset, images: Container[str]) -> str:
    """The reader for an annotation, a key of `KINDS`, if it is about one of the images.

    Args:
        ds: of the archive.
        images: SOP Instance UIDs in the archive.

    Raises:
        ReadError: ``not-about-these``: none of them, or no such object.
    """
    with coded():
        kind = CLASSES.get(str(ds.get("SOPClassUID")).encode(), "")
        if kind in KINDS and any(uid in images for uid in references(ds)):
            return kind
    raise ReadError("an annotation that refers to none of the images", code="not-about-these")


def references(ds: Dataset) -> Iterator[str]:
    """Every SOP Instance UID that a data set refers to, at every depth, as often as it does."""
    for element in ds.iterall():
        if element.keyword == "ReferencedSOPInstanceUID" and element.value:
            yield str(element.value)
