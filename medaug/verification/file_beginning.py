"""What stands in a DICOM file before its data set: the preamble and the file meta information, which medaug makes."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medaug.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE = bytes(128)
BY_WRITER = frozenset({"FileMetaInformationGroupLength", "FileMetaInformationVersion", "TransferSyntaxUID"})


def begins_as_written(ds: Dataset) -> bool:
    """Whether both hold what medaug writes of this data set, and nothing else.

    Source: PS3.10, 7.1.
    """
    own = {
        "MediaStorageSOPClassUID": ds.get("SOPClassUID"),
        "MediaStorageSOPInstanceUID": ds.get("SOPInstanceUID"),
        "ImplementationClassUID": IMPLEMENTATION_CLASS_UID,
        "ImplementationVersionName": IMPLEMENTATION_VERSION_NAME,
    }
    stated = {element.keyword or str(element.tag): element.value for element in ds.file_meta}
    return ds.preamble == PREAMBLE and {key: value for key, value in stated.items() if key not in BY_WRITER} == own
