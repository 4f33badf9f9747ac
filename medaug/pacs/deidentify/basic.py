"""One instance without its identity: the Basic Profile at every depth, and what the pixels and the object allow."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any, assert_never

from pydicom import dcmwrite
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from medaug.dicom import fields
from medaug.dicom.identity import refuse_burned_in
from medaug.dicom.read.parse import coded
from medaug.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from medaug.dicom.write.attribute_values import item, put
from medaug.errors import ReadError
from medaug.pacs.deidentify.actions import EDITION, FIXED_UIDS, KEPT_BY, action_of
from medaug.pacs.deidentify.content import clean_report, name_regions, region_names
from medaug.pacs.deidentify.dummies import dummy_of
from medaug.pacs.deidentify.options import Deidentification
from medaug.pacs.deidentify.pseudonyms import Pseudonyms, moved
from medaug.version import __version__

MARK = "medaug fetch"  # by which `send` knows that the archive has the source under other names
METHOD = f"{MARK} {__version__}: PS3.15 {EDITION} Basic Profile"
_DATES = {"DA", "DT"}


def deidentified(ds: Dataset, how: Deidentification, names: Pseudonyms) -> bytes:
    """The instance as a file, without what the profile takes; nothing is known of text in the pixels.

    Args:
        ds: parsed from its file; it is changed.
        how: the options.
        names: pseudonyms by the fetch's key.

    Raises:
        ReadError: ``burned-in``: the pixels are said to hold text about the patient. ``unsupported-class``: a report,
            whose content the profile blanks, without the option that cleans it. Or it can't be parsed or written.

    Source: PS3.15 E.1 to E.3; table E.1-1.
    """
    refuse_burned_in(ds)
    if "ContentSequence" in ds and "structured" not in how:
        raise ReadError(
            "the Basic Profile blanks what a report says; give basic:structured to keep codes, numbers and outlines",
            code="unsupported-class",
        )
    with coded():
        patient = (
            fields.text(ds, "PatientID") or fields.text(ds, "StudyInstanceUID"),
            fields.text(ds, "IssuerOfPatientID"),
        )
        named = region_names(ds, how.labels)
        _Walk(how, names, names.days(*patient)).clean(ds)
        name_regions(ds, named)
        _declare(ds, how, names.patient(*patient))
        return _encoded(ds)


class _Walk:
    """The profile over a data set and the items in it."""

    def __init__(self, how: Deidentification, names: Pseudonyms, back: timedelta) -> None:
        self._how, self._names, self._back = how, names, back
        self._kept = frozenset().union(*(KEPT_BY.get(option, frozenset()) for option in how.options))

    def clean(self, ds: Dataset) -> None:
        """In place, at every depth."""
        for tag in list(ds.keys()):
            if tag.is_private or not dictionary_has_tag(tag):
                del ds[tag]
                continue
            self._element(ds, ds[tag])

    def _element(self, ds: Dataset, element: DataElement) -> None:
        if element.keyword in self._kept:
            self._keep_dates(ds, element)
        elif element.keyword == "ContentSequence" and "structured" in self._how:
            element.value = clean_report(element.value, self._how.labels)
            self._inside(element)
        elif element.VR == "UI":
            self._uid(element)
        else:
            self._act(ds, element)

    def _act(self, ds: Dataset, element: DataElement) -> None:
        match action_of(element.tag, str(element.VR)):
            case "remove":
                del ds[element.tag]
            case "empty":
                element.value = [] if element.VR == "SQ" else None
            case "dummy":
                dummy = dummy_of(element)
                if dummy is None:
                    del ds[element.tag]
                else:
                    element.value = dummy
            case "keep" | "uid":
                self._inside(element)
            case other:
                assert_never(other)

    def _inside(self, element: DataElement) -> None:
        if element.VR == "SQ":
            for each in element.value:
                self.clean(each)

    def _uid(self, element: DataElement) -> None:
        if "uids" in self._how or element.keyword in FIXED_UIDS or not element.value:
            return
        many = not isinstance(element.value, str)
        new: Any = [UID(self._names.uid(str(uid))) for uid in (element.value if many else [element.value])]
        element.value = new if many else new[0]

    def _keep_dates(self, ds: Dataset, element: DataElement) -> None:
        if "dates" in self._how and element.VR in _DATES:
            value = moved(str(element.value or ""), self._back)
            put(ds, element.keyword, value)


def _declare(ds: Dataset, how: Deidentification, pseudonym: str) -> None:
    """State what was done (PS3.15 E.1.1, steps 5 and 6), and a patient who is nobody and the same in every instance."""
    ds.PatientName = ds.PatientID = pseudonym
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = METHOD
    ds.DeidentificationMethodCodeSequence = [
        item(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning=meaning[:64]) for value, meaning in how.codes
    ]
    stated = "MODIFIED" if "dates" in how else "UNMODIFIED" if "full-dates" in how else "REMOVED"
    ds.LongitudinalTemporalInformationModified = stated


def _encoded(ds: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ds.file_meta, ds.preamble = meta, b"\0" * 128
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()
