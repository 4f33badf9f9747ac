"""What discovery needs to know about one file: is it an image that medaug handles, and which series is it part of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    UltrasoundImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from medaug.dicom import fields
from medaug.dicom.colour import BYTES, is_colour
from medaug.dicom.frames import ENHANCED, GROUPS, dimensions_of, frame_count, frame_of
from medaug.dicom.identity import NEEDED, Identity, identity_of, patient_of, refuse_burned_in
from medaug.dicom.read.decode import check_encoding, check_size
from medaug.dicom.read.preflight import Outline
from medaug.errors import ReadError, counted

Kind = Literal["radiograph", "slice"]
KINDS: dict[str, Kind] = {
    ComputedRadiographyImageStorage: "radiograph",
    DigitalXRayImageStorageForPresentation: "radiograph",
    DigitalXRayImageStorageForProcessing: "radiograph",
    DigitalMammographyXRayImageStorageForPresentation: "radiograph",
    DigitalMammographyXRayImageStorageForProcessing: "radiograph",
    SecondaryCaptureImageStorage: "radiograph",
    UltrasoundImageStorage: "radiograph",  # as one plane without a place in the patient
    XRayAngiographicImageStorage: "radiograph",
    XRayRadiofluoroscopicImageStorage: "radiograph",
    CTImageStorage: "slice",
    MRImageStorage: "slice",
    **dict.fromkeys(ENHANCED, "slice"),
}
# Modalities that a Secondary Capture may have here; a captured CT or MR is a picture of a screen, without its units.
CAPTURED = frozenset({"CR", "DX", "IO", "MG", "OT", "PX", "RF", "RG", "US", "XA"})
TEXT_LIKELY = frozenset({SecondaryCaptureImageStorage, UltrasoundImageStorage, XRayAngiographicImageStorage})

# Numbers that tell apart several images of one place: phases, echoes, diffusion weights, repeated acquisitions.
REPEATS = (
    "TemporalPositionIdentifier",
    "EchoNumbers",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "TemporalPositionIndex",
    "TriggerTime",
    "AcquisitionNumber",
)
VECTORS = frozenset({"DiffusionGradientOrientation"})  # all values tell apart, not the first alone
KEYWORDS = (
    *NEEDED,
    *REPEATS,
    *GROUPS,
    "MaskSubtractionSequence",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "ImageType",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


@dataclass(frozen=True)
class Header:
    """One image, its pixels not read: a file, or a frame of one.

    Attributes:
        path: where it lies; stays inside the process.
        frame: 0-based frame of the file.
        kind: ``radiograph`` stands alone, ``slice`` belongs to a stack.
        instance_uid: SOPInstanceUID.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        modality: (0008,0060).
        identity: see `identity.identity_of`.
        patient: one-way hash of the Patient ID; ``""`` where none is stated.
        grid: what all slices of one stack share exactly: frame of reference, size, encoding, ImageType value 3.
        directions: ImageOrientationPatient and PixelSpacing, or what is stated of them; shared within a tolerance.
        position: ImagePositionPatient in mm, or empty.
        stack: StackID of an Enhanced frame, else ``""``; frames of two stacks never form one grid.
        repeats: name and value of every attribute of `REPEATS` and of every dimension, ``""`` where not stated.
        notes: sentences for the user.
    """

    path: Path
    frame: int
    kind: Kind
    instance_uid: str
    study_uid: str
    series_uid: str
    modality: str
    identity: Identity
    patient: str
    grid: tuple[str | int, ...]
    directions: tuple[float, ...]
    position: tuple[float, ...]
    stack: str
    repeats: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Image height in px."""
        return int(self.grid[0])

    @property
    def colour(self) -> bool:
        """Whether it has three samples per pixel."""
        return str(self.grid[-2]).upper() in BYTES

    @property
    def columns(self) -> int:
        """Image width in px."""
        return int(self.grid[1])


def headers_of(path: Path, ds: Dataset, outline: Outline) -> tuple[Header, ...]:
    """Sort a parsed file: one header for its image, or one per frame of an Enhanced object.

    Raises:
        ReadError: it is no image, or none that is handled; see `kind_of`, `decode` and `identity`.
    """
    kind = kind_of(ds, outline)
    check_encoding(ds)
    frames = [(n, frame_of(ds, n)) for n in range(frame_count(ds))]
    images = [(n, frame) for n, frame in frames if not _overview(frame)]
    if not images:
        raise ReadError("a localizer: an overview for planning, not part of a volume", code="localizer")
    check_size(ds, outline)
    refuse_burned_in(ds)
    first = _header(path, ds, *images[0], kind)
    left_out = len(frames) - len(images)
    if left_out:
        first = replace(first, notes=(*first.notes, f"left out as a localizer: {counted(left_out, 'frame')}"))
    others = images[1:]
    return (first, *(replace(first, frame=n, **_of_frame(ds, n, frame)) for n, frame in others))


def _overview(frame: Dataset) -> bool:
    return bool({"LOCALIZER", "SCOUT"} & {value.upper() for value in fields.texts(frame, "ImageType")})


def _header(path: Path, ds: Dataset, number: int, frame: Dataset, kind: Kind) -> Header:
    return Header(
        path=path,
        frame=number,
        kind=kind,
        instance_uid=fields.uid(ds, "SOPInstanceUID"),
        study_uid=fields.uid(ds, "StudyInstanceUID"),
        series_uid=fields.uid(ds, "SeriesInstanceUID"),
        modality=modality_of(ds),
        identity=identity_of(ds),
        patient=patient_of(ds) if fields.text(ds, "PatientID") else "",
        notes=_notes(ds),
        **_of_frame(ds, number, frame),
    )


def _of_frame(ds: Dataset, number: int, frame: Dataset) -> dict[str, Any]:
    """The fields of `Header` that may differ between the frames of one file."""
    grid = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
    place = fields.uid(ds, "FrameOfReferenceUID", required=False)
    image_type = fields.texts(frame, "ImageType")
    third = image_type[2] if len(image_type) > 2 else ""
    return {
        "grid": (*(fields.integer(ds, k) for k in grid), place, fields.text(ds, "PhotometricInterpretation"), third),
        "directions": (*fields.numbers(frame, "ImageOrientationPatient", 6), *fields.numbers(frame, "PixelSpacing", 2)),
        "position": fields.numbers(frame, "ImagePositionPatient", 3),
        "stack": fields.text(frame, "StackID"),
        "repeats": (*((name, _numbered(frame, name)) for name in REPEATS), *dimensions_of(ds, number)),
    }


def _numbered(frame: Dataset, keyword: str) -> str:
    values = fields.numbers(frame, keyword)
    return ",".join(f"{x:g}" for x in (values if keyword in VECTORS else values[:1]))


def kind_of(ds: Dataset, outline: Outline) -> Kind:
    """How an instance is read, by its SOP class.

    Raises:
        ReadError: ``dicomdir``, ``not-an-image``, ``unsupported-class``, ``subtraction`` or ``missing-attribute``.
    """
    meta = UID(fields.text(ds.file_meta, "MediaStorageSOPClassUID"))
    if meta == MediaStorageDirectoryStorage:
        raise ReadError("a DICOMDIR: an index; the files that it lists are found by themselves", code="dicomdir")
    sop_class = UID(fields.uid(ds, "SOPClassUID", required=False) or meta)
    if not sop_class:
        raise ReadError("SOPClassUID is missing; export the file again", code="missing-attribute")
    name = "a private SOP class" if sop_class.name == sop_class else sop_class.name
    if sop_class == SegmentationStorage or (sop_class not in KINDS and not outline.has_pixels):
        raise ReadError(f"{name}: not an image to augment", code="not-an-image")
    wrong = sop_class == SecondaryCaptureImageStorage and fields.text(ds, "Modality") not in CAPTURED
    if sop_class not in KINDS or wrong:
        which = " of a volume's modality" if wrong else ""
        handled = "CR, DX, MG, XA, RF, US, CT, MR or Secondary Capture"
        raise ReadError(f"{name}{which}: not handled; expected {handled}", code="unsupported-class")
    if fields.value(ds, "MaskSubtractionSequence"):
        raise ReadError("a mask is to be subtracted before display; export the subtracted image", code="subtraction")
    return KINDS[sop_class]


def modality_of(ds: Dataset) -> str:
    """Modality, which enters messages and records: a defined term, never free text.

    Raises:
        ReadError: ``missing-attribute`` or ``bad-value``.
    """
    stated = fields.text(ds, "Modality")
    if not stated:
        raise ReadError("Modality is missing; export the series with it", code="missing-attribute")
    if not (stated.isalnum() and stated.isascii() and len(stated) <= 16):
        raise ReadError("Modality holds no defined term; export the series again", code="bad-value")
    return stated


def _notes(ds: Dataset) -> tuple[str, ...]:
    unflagged = not fields.text(ds, "BurnedInAnnotation")
    sop_class = UID(fields.text(ds, "SOPClassUID"))
    notes = []
    if unflagged and (sop_class in TEXT_LIKELY or fields.text(ds, "Modality") == "OT"):
        notes.append(
            f"{sop_class.name.removesuffix(' Storage')} without BurnedInAnnotation: look for text in the pixels"
        )
    if is_colour(ds):
        notes.append("colour: usable where the profile says colour: grey and half of the pixels are grey; others stay")
    return tuple(notes)
