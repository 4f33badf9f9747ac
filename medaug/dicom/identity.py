"""Whether a person may be identified from an instance's header. medaug is not a de-identifier: it only asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.errors import ReadError

IdentityStatement = Literal["declared", "identified", "unknown"]
SUBJECT = ("PatientName", "PatientID", "PatientBirthDate")
CLEAN_PIXEL_DATA = "113101"  # DCM, "Clean Pixel Data Option": text in the pixels was removed (PS3.16 CID 7050)
NEEDED = (
    *SUBJECT,
    "IssuerOfPatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "BurnedInAnnotation",
)


def identity_of(ds: Dataset) -> IdentityStatement:
    """What an instance says about its patient's identity.

    ``declared``: PatientIdentityRemoved is YES and a method is stated, in words or codes. ``identified``: no such
    declaration, and a name, ID or birth date is there. ``unknown``: neither.

    Source: PS3.3 C.7.1.1 (0012,0062-0064).
    """
    stated = fields.text(ds, "PatientIdentityRemoved").upper()
    how = fields.text(ds, "DeidentificationMethod") or fields.value(ds, "DeidentificationMethodCodeSequence")
    if stated == "YES" and how:
        return "declared"
    return "identified" if any(fields.text(ds, keyword) for keyword in SUBJECT) else "unknown"


def identity_of_all(states: Iterable[str]) -> IdentityStatement:
    """The state of a series: that of its least safe instance."""
    found = set(states)
    if "identified" in found:
        return "identified"
    return "declared" if found == {"declared"} else "unknown"


def refuse_burned_in(ds: Dataset) -> None:
    """Refuse pixels that are said to hold text about the patient.

    Raises:
        ReadError: ``burned-in``: BurnedInAnnotation is YES, and no Clean Pixel Data code follows.

    Source: PS3.3 C.7.6.1 (0028,0301); PS3.15 E.3.1.
    """
    if fields.text(ds, "BurnedInAnnotation").upper() != "YES":
        return
    codes = fields.value(ds, "DeidentificationMethodCodeSequence") or ()
    if not any(fields.text(item, "CodeValue") == CLEAN_PIXEL_DATA for item in codes):
        raise ReadError(
            "the pixels are said to hold burned-in annotation (0028,0301); remove it and add the code "
            f"{CLEAN_PIXEL_DATA} (Clean Pixel Data Option), or leave the image out",
            code="burned-in",
        )


def patient_of(ds: Dataset) -> str:
    """64 hex digits that stand for the patient inside this process, so that no patient lies in two splits.

    Without a Patient ID the study stands for its patient. Not keyed: never write it out.
    """
    patient = fields.text(ds, "PatientID")
    if not patient:
        return unnamed_patient(fields.text(ds, "StudyInstanceUID"))
    return _hashed(patient, fields.text(ds, "IssuerOfPatientID"))


def unnamed_patient(study_uid: str) -> str:
    """`patient_of` an instance of this study that states no Patient ID."""
    return _hashed("", "study", study_uid)


def _hashed(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode()).hexdigest()
