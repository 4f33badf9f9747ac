"""Variants in a study of their own, beside the clinical one and never in it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medaug.dicom.uids import derived_uid
from medaug.dicom.write.attribute_values import put

DESCRIPTION = "SYNTHETIC medaug"
# What ties a study to an order, a visit or another study; the description says what this one is.
_TIES = (
    "AdmissionID", "IssuerOfAccessionNumberSequence", "ProcedureCodeSequence", "ReferencedRequestSequence",
    "ReasonForPerformedProcedureCodeSequence", "ReferencedStudySequence", "RequestAttributesSequence",
    "RequestedProcedureID",
)  # fmt: skip
_UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "ReferencedSOPInstanceUID")


@dataclass(frozen=True)
class OwnStudy:
    """The names of one unit's instances in a study of their own; the same unit always gets the same.

    Attributes:
        own: SOP and Series Instance UIDs of the unit; what refers to anything else, such as the source, stays.
    """

    own: Container[str]

    def moved(self, ds: Dataset) -> Dataset:
        """Give an instance its new study, series and UID, and let it refer to the others by theirs; in place.

        One UID may stand for one object only (PS3.5 section 9), so instance and series get new ones, too.
        """
        ds.StudyInstanceUID = UID(derived_uid("own study", str(ds.StudyInstanceUID)))
        self._rename(ds)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        put(ds, "StudyDescription", DESCRIPTION)
        for keyword in ("StudyID", "AccessionNumber"):
            put(ds, keyword, "")
        for keyword in _TIES:
            if keyword in ds:
                del ds[keyword]
        return ds

    def uid(self, old: str) -> str:
        """The new name of one of the unit's; any other stays."""
        return derived_uid("own study", old) if old in self.own else old

    def _rename(self, ds: Dataset) -> None:
        if "StudyInstanceUID" in ds and self._all_own(ds):  # of a reference to the unit's own study
            ds.StudyInstanceUID = UID(derived_uid("own study", str(ds.StudyInstanceUID)))
        for element in ds:
            if element.VR == "SQ":
                for item in element.value:
                    self._rename(item)
            elif element.keyword in _UIDS and element.value:
                element.value = UID(self.uid(str(element.value)))

    def _all_own(self, item: Dataset) -> bool:
        series = item.get("ReferencedSeriesSequence") or ()
        return bool(series) and all(str(one.get("SeriesInstanceUID")) in self.own for one in series)
