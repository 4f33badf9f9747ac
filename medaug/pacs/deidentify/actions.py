"""What the Basic Profile does with each attribute: PS3.15 Table E.1-1, as dicom-anonymizer keeps it as data."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import Literal

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.tag import BaseTag, Tag

Action = Literal["keep", "remove", "empty", "dummy", "uid"]
EDITION = "2026c"
# Where the table leaves a choice to whoever knows the object, the one that no object forbids: an empty value in place
# of none, a dummy in place of an empty one.
_GROUPS: tuple[tuple[list[tuple[int, ...]], Action], ...] = (
    (table.D_TAGS, "dummy"),
    (table.Z_TAGS, "empty"),
    (table.X_TAGS, "remove"),
    (table.U_TAGS, "uid"),
    (table.Z_D_TAGS, "dummy"),
    (table.X_Z_TAGS, "empty"),
    (table.X_D_TAGS, "dummy"),
    (table.X_Z_D_TAGS, "dummy"),
    (table.X_Z_U_STAR_TAGS, "keep"),  # sequences of references, whose UIDs are replaced inside
)
# Options that keep what the profile takes, by their column in the table (action K).
KEPT_BY = MappingProxyType({
    "patient": frozenset({
        "EthnicGroup", "PatientAge", "PatientSex", "PatientSexNeutered", "PatientSize", "PatientWeight",
        "PregnancyStatus", "SmokingStatus",
    }),
    "dates": (dates := frozenset({
        "AcquisitionDate", "AcquisitionDateTime", "AcquisitionTime", "ContentDate", "ContentTime",
        "EndAcquisitionDateTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "InstanceCreationDate",
        "InstanceCreationTime", "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime",
        "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "SeriesDate", "SeriesTime",
        "StartAcquisitionDateTime", "StructureSetDate", "StructureSetTime", "StudyDate", "StudyTime",
        "TimezoneOffsetFromUTC",
    })),
    "full-dates": dates,
})  # fmt: skip
# Registered or fixed, so they name nobody; every other UID that isn't the Standard's is replaced.
FIXED_UIDS = frozenset({
    "CodingSchemeUID", "ContextUID", "MappingResourceUID", "ImplementationClassUID", "TransferSyntaxUID",
    "ReferencedSOPClassUID", "SOPClassUID", "MediaStorageSOPClassUID", "RelatedGeneralSOPClassUID",
    "OriginalSpecializedSOPClassUID",
})  # fmt: skip
NAMING = frozenset({"AE", "PN", "UR"})  # people, nodes and places on a network: not kept, whether in the table or not
OVERLAYS, CURVES = 0x6000, 0x5000  # repeating groups: (60xx,eeee), (50xx,eeee)


def action_of(tag: BaseTag, vr: str) -> Action:
    """What is done with a standard attribute; ``keep`` where the table doesn't name it, but for `NAMING`."""
    if tag.group & 0xFF00 in {OVERLAYS, CURVES}:
        return "remove"  # drawn by people; without its data an overlay's description is none
    return _table().get(tag, "remove" if vr in NAMING else "keep")


@cache
def _table() -> dict[int, Action]:
    return {Tag(tag): action for tags, action in _GROUPS for tag in tags if len(tag) == 2}
