"""What every evidence object shares: whose it is, which series it refers to, UIDs and dates that repeat."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from medaug.dicom.frames import frames_of, is_enhanced
from medaug.dicom.read.stack import plane_of
from medaug.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, derived_uid
from medaug.dicom.write.attribute_values import PRIVATE_SCHEME, code, item, local_time, put
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.written import Written
from medaug.errors import WriteError
from medaug.processes.quiet import quiet
from medaug.storage.atomic import disk_errors, replacing
from medaug.storage.plain_files import open_plain, read_plain

# Copied from the derived instance byte by byte, whatever they hold: medaug neither removes nor adds identity.
IDENTITY = (
    # Patient (C.7.1.1), Clinical Trial Subject (C.7.1.3)
    "PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID", "PatientBirthDate", "PatientBirthTime",
    "PatientSex", "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup", "PatientComments",
    "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription", "PatientBreedCodeSequence",
    "BreedRegistrationSequence", "ResponsiblePerson", "ResponsibleOrganization", "QualityControlSubject",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID",
    "ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID",
    # General Study (C.7.2.1), Patient Study (C.7.2.2)
    "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber", "StudyDescription",
    "IssuerOfAccessionNumberSequence", "PatientAge", "PatientSize", "PatientWeight",
    # SOP Common (C.12.1): what the texts and times above are written in
    "SpecificCharacterSet", "TimezoneOffsetFromUTC", "LongitudinalTemporalInformationModified",
)  # fmt: skip
# What the builders need to see of an image: what it is, nothing of whom; where it lies is added by `source_images`.
SHOWN = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "Modality", "ImageType", "InstanceNumber", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod", "PatientOrientation",
)  # fmt: skip
EMPTY = (  # of type 2: written without a value where the source has none
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "ReferringPhysicianName",
    "StudyID", "AccessionNumber",
)  # fmt: skip
Place = tuple[Dataset, int | None]  # an instance, and in an Enhanced one the number of its frame from 1
_TIMES = ("InstanceCreation", "Content", "Series")


@contextmanager
def building(what: str) -> Iterator[None]:
    """Around highdicom's builders: they raise what odd headers provoke, and the text may quote them.

    Args:
        what: the key of a profile's `evidence` that leaves the object out.

    Raises:
        WriteError: anything was raised.
    """
    try:
        with quiet():
            yield
    except Exception as error:
        raise WriteError(
            f"evidence: no {what} can be built for this series ({type(error).__name__}); "
            f"set evidence.{what} to false for it",
            code="evidence",
        ) from error


def headers(files: Sequence[Path]) -> tuple[Dataset, ...]:
    """The headers of a derived series, in slice order, without pixels."""
    with quiet():
        return tuple(_header(path) for path in files)


def _header(path: Path) -> Dataset:
    with open_plain(path, follow=False) as file:
        return pydicom.dcmread(file, stop_before_pixels=True)


def frame_references(derived: Sequence[Dataset]) -> tuple[Place, ...]:
    """Where each slice lies, in slice order: its instance and, in an Enhanced one, the number of its frame from 1.

    Frames of one file are in slice order; those of several files may alternate, so their depth decides.
    """
    if not is_enhanced(derived[0]):
        return tuple((ds, None) for ds in derived)
    places = [(ds, n, plane_of(flat).depth) for ds in derived for n, flat in enumerate(frames_of(ds), 1)]
    if len(derived) > 1:
        places.sort(key=lambda place: place[2])
    return tuple((ds, number) for ds, number, _ in places)


def shown(ds: Dataset) -> Dataset:
    """The part of a derived header that a builder may see; identity is put in by `finish`, as bytes."""
    made = Dataset()
    for keyword in SHOWN:
        if keyword in ds:
            made[keyword] = ds[keyword]
    for keyword in EMPTY:
        setattr(made, keyword, "")
    return made


def evidence_uid(kind: str, derived: Dataset, *names: str | int) -> str:
    """A UID from the derived series' own: one derived series has one object of a kind."""
    return derived_uid("evidence", kind, str(derived.SeriesInstanceUID), *names)


def series_number(derived: Dataset, offset: int) -> int:
    """Behind the series' number in a sorted list; a source may have none."""
    return (int(derived.get("SeriesNumber") or 0) + offset) % (2**31 - 1) + 1


def finish(made: Dataset, derived: Dataset, provenance: Provenance, description: str) -> None:
    """Complete what a builder made, in place: identity, dates, equipment, what it is derived from.

    Args:
        made: from highdicom, its own UIDs set.
        derived: header of the first derived instance.
        provenance: of the unit.
        description: of the series; at most 64 characters.

    Raises:
        ValueError: a value is illegal for its representation.
    """
    carry_identity(made, derived)
    sign(made, derived, provenance.created)
    put(made, "SeriesDescription", description)
    put(
        made, "SyntheticData", derived.get("SyntheticData", "YES")
    )  # data derived from synthetic data is synthetic, too
    put(made, "ContentQualification", "RESEARCH")


def carry_identity(made: Dataset, source: Dataset) -> None:
    """Copy `IDENTITY` as it stands, in place; what the source hasn't is taken out."""
    for keyword in (*EMPTY, *IDENTITY):
        if keyword in source and (keyword != "SpecificCharacterSet" or source.get(keyword)):  # empty is illegal
            made[keyword] = source.get_item(keyword)
        elif keyword in made and keyword not in EMPTY:
            del made[keyword]


def sign(made: Dataset, source: Dataset, moment: datetime) -> None:
    """Set when and by what it was made, in place; dates are in the source's time zone."""
    created = local_time(moment, source)
    for name in _TIMES:
        put(made, f"{name}Date", created.strftime("%Y%m%d"))
        put(made, f"{name}Time", created.strftime("%H%M%S"))
    put(made, "ContributingEquipmentSequence", [_library(created.strftime("%Y%m%d%H%M%S%z"))])
    scheme = item(CodingSchemeDesignator=PRIVATE_SCHEME, CodingSchemeName="Codes of medaug, an augmentation program")
    put(made, "CodingSchemeIdentificationSequence", [scheme])
    made.file_meta = _file_meta(made)
    made.preamble = b"\0" * 128


def save(made: Dataset, path: Path) -> Written:
    """Write an evidence object; it takes its name after its bytes were read back from the disk and are the same.

    Returns:
        The file; its pixels have no digest of their own.

    Raises:
        WriteError: it can't be encoded, or was not read back as written.
        OutputError: the disk didn't take it.
    """
    buffer = BytesIO()
    try:
        with quiet():
            for tag in (*made.keys(),):  # what was copied as bytes is encoded anew like all else
                made[tag]
            dcmwrite(buffer, made, enforce_file_format=True)
    except Exception as error:  # the text of pydicom's errors may quote a name
        raise WriteError(
            f"evidence: its header can't be written ({type(error).__name__}); switch evidence off for this series",
            code="evidence",
        ) from error
    data = buffer.getvalue()
    with disk_errors(path.name, errno.ENOENT), replacing(path) as passing:
        passing.write_bytes(data)
        if read_plain(passing, len(data)) != data:
            raise WriteError("evidence: the file read back holds other bytes; check the disk", code="not-read-back")
    return Written(path, hashlib.sha256(data).hexdigest(), "", str(made.SOPInstanceUID))


def _library(moment: str) -> Dataset:
    from highdicom.version import __version__

    return item(
        PurposeOfReferenceCodeSequence=code("109102", "DCM", "Processing Equipment"),
        Manufacturer="Highdicom open-source contributors",
        ManufacturerModelName="highdicom",
        SoftwareVersions=str(__version__),
        ContributionDateTime=moment,
        ContributionDescription="Software library used to create this instance",
    )


def _file_meta(made: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
