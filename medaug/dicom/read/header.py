"""What discovery needs to know about one file: is it an image that medaug handles, and which series is it part of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

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
from medaug.dicom.colour_encoding import BYTES, DECODED, is_colour
from medaug.dicom.fields import Elements
from medaug.dicom.frames import ENHANCED, GROUPS, differs_in_position_alone, dimensions_of, flat_frames, frame_count
from medaug.dicom.identity import NEEDED, IdentityStatement, identity_of, patient_of, refuse_burned_in
from medaug.dicom.modalities import MODALITIES
from medaug.dicom.read.decode import check_encoding, check_size
from medaug.dicom.read.interpretation import INTERPRETED, unknown_spacing, unused_windows
from medaug.dicom.read.mosaic import MOSAIC, several_pictures
from medaug.dicom.read.preflight import Outline
from medaug.errors import ReadError, counted

ImageKind = Literal["radiograph", "slice"]
KINDS: dict[str, ImageKind] = {
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
    *INTERPRETED,
    *MOSAIC,
    "MaskSubtractionSequence",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "ImageType",
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


@dataclass(frozen=True, slots=True)
class InstanceHeader:
    """One file, its pixels not read: who and what it is, and what all its images have in common.

    Attributes:
        path: where it lies; stays inside the process.
        kind: an image ``radiograph`` stands alone, a ``slice`` belongs to a stack.
        sop_class: SOPClassUID, or what the file meta group says.
        syntax: transfer syntax.
        instance_uid: SOPInstanceUID.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        modality: (0008,0060).
        identity: see `identity.identity_of`.
        patient: see `identity.patient_of`.
        rows: image height in px.
        columns: image width in px.
        encoding: BitsAllocated, BitsStored, PixelRepresentation.
        photometric: PhotometricInterpretation.
        frame_of_reference_uid: ``""`` where not stated.
        notes: sentences for the user.
    """

    path: Path
    kind: ImageKind
    sop_class: UID
    syntax: UID
    instance_uid: str
    study_uid: str
    series_uid: str
    modality: str
    identity: IdentityStatement
    patient: str
    rows: int
    columns: int
    encoding: tuple[int, ...]
    photometric: str
    frame_of_reference_uid: str
    notes: tuple[str, ...]

    @property
    def colour(self) -> bool:
        """Whether it has three samples per pixel."""
        return self.photometric.upper() in {*BYTES, *DECODED}


@dataclass(frozen=True, eq=False, slots=True)
class ImageHeader:
    """One image: a file's only one, or a frame.

    Attributes:
        instance: the file.
        frame: 0-based frame of the file.
        flavour: ImageType value 3, which all slices of one stack share.
        directions: ImageOrientationPatient and PixelSpacing, or what is stated of them; shared within a tolerance.
        position: ImagePositionPatient in mm, or empty.
        stack: StackID of an Enhanced frame, else ``""``; frames of two stacks never form one grid.
        repeats: name and value of every attribute of `REPEATS` and of every dimension, ``""`` where not stated.
    """

    instance: InstanceHeader
    frame: int
    flavour: str
    directions: tuple[float, ...]
    position: tuple[float, ...]
    stack: str
    repeats: tuple[tuple[str, str], ...]


# Called with a file's data set, each of its images, and that image's header laid flat: a second parse would double an
# inventory.
Noting = Callable[[Dataset, ImageHeader, Elements], None]


def instance_header(path: Path, ds: Dataset, outline: Outline) -> InstanceHeader:
    """What a parsed file is.

    Raises:
        ReadError: it is no image, or none that is handled; see `kind_of`, `mosaic`, `decode` and `identity`.
    """
    kind = kind_of(ds, outline)
    check_encoding(ds)
    mosaic_notes = several_pictures(ds)
    check_size(ds, outline)
    refuse_burned_in(ds)
    return InstanceHeader(
        path=path,
        kind=kind,
        sop_class=UID(fields.uid(ds, "SOPClassUID")),
        syntax=ds.file_meta.TransferSyntaxUID,
        instance_uid=fields.uid(ds, "SOPInstanceUID"),
        study_uid=fields.uid(ds, "StudyInstanceUID"),
        series_uid=fields.uid(ds, "SeriesInstanceUID"),
        modality=modality_of(ds),
        identity=identity_of(ds),
        patient=patient_of(ds),
        rows=fields.integer(ds, "Rows"),
        columns=fields.integer(ds, "Columns"),
        encoding=tuple(fields.integer(ds, name) for name in ("BitsAllocated", "BitsStored", "PixelRepresentation")),
        photometric=fields.text(ds, "PhotometricInterpretation"),
        frame_of_reference_uid=fields.uid(ds, "FrameOfReferenceUID", required=False),
        notes=(*mosaic_notes, *_notes(ds, kind)),
    )


def image_headers(path: Path, ds: Dataset, outline: Outline, noting: Noting | None = None) -> tuple[ImageHeader, ...]:
    """Sort a parsed file: one header for its image, or one per frame of an Enhanced object, without localizers.

    Raises:
        ReadError: as `instance_header`; ``localizer`` when nothing is left.
    """
    instance = instance_header(path, ds, outline)
    kept: list[ImageHeader] = []
    for image, flat in _images(instance, ds):
        kept.append(image)
        if noting:
            noting(ds, image, flat)
    if not kept:
        raise ReadError("a localizer: an overview for planning, not part of a volume", code="localizer")
    overviews = frame_count(ds) - len(kept)
    if not overviews:
        return tuple(kept)
    noted = replace(instance, notes=(*instance.notes, f"left out as a localizer: {counted(overviews, 'frame')}"))
    return tuple(replace(image, instance=noted) for image in kept)


def _images(instance: InstanceHeader, ds: Dataset) -> Iterator[tuple[ImageHeader, Elements]]:
    """Every image but localizers, and its header laid flat; one at a time, since thousands take room."""
    before: tuple[ImageHeader, Elements] | None = None
    for number, (flat, dimensions) in enumerate(zip(flat_frames(ds), dimensions_of(ds), strict=True)):
        if before and differs_in_position_alone(flat, before[1]):
            repeats = (*before[0].repeats[: len(REPEATS)], *dimensions)
            image = replace(before[0], frame=number, position=_position(instance, flat), repeats=repeats)
        elif _overview(flat):
            continue
        else:
            image = _image_header(instance, number, flat, dimensions)
        before = image, flat
        yield before


def _overview(frame: Elements) -> bool:
    return bool({"LOCALIZER", "SCOUT"} & {value.upper() for value in fields.texts(frame, "ImageType")})


def _image_header(
    instance: InstanceHeader, number: int, frame: Elements, dimensions: tuple[tuple[str, str], ...]
) -> ImageHeader:
    image_type, placed = fields.texts(frame, "ImageType"), instance.kind == "slice"
    return ImageHeader(
        instance=instance,
        frame=number,
        flavour=image_type[2] if len(image_type) > 2 else "",
        directions=_directions(frame) if placed else (),
        position=_position(instance, frame),
        stack=fields.text(frame, "StackID"),
        repeats=(*((name, _numbered(frame, name)) for name in REPEATS), *dimensions),
    )


def _position(instance: InstanceHeader, frame: Elements) -> tuple[float, ...]:
    return fields.numbers(frame, "ImagePositionPatient", 3) if instance.kind == "slice" else ()


def _directions(frame: Elements) -> tuple[float, ...]:
    return (*fields.numbers(frame, "ImageOrientationPatient", 6), *fields.numbers(frame, "PixelSpacing", 2))


def _numbered(frame: Elements, keyword: str) -> str:
    values = fields.numbers(frame, keyword)
    return ",".join(f"{x:g}" for x in (values if keyword in VECTORS else values[:1]))


def kind_of(ds: Dataset, outline: Outline) -> ImageKind:
    """How an instance is read, by its SOP class.

    Raises:
        ReadError: ``dicomdir``, ``not-an-image``, ``unsupported-class``, ``subtraction`` or ``missing-attribute``.
    """
    sop_class = UID(fields.uid(ds, "SOPClassUID", required=False))
    if MediaStorageDirectoryStorage in {sop_class, fields.text(ds.file_meta, "MediaStorageSOPClassUID")}:
        raise ReadError("a DICOMDIR: an index; the files that it lists are found by themselves", code="dicomdir")
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
    if stated not in MODALITIES:  # a name of letters alone would pass for a code, and stand in pages, plans and logs
        raise ReadError("Modality holds no defined term; export the series again", code="bad-value")
    return stated


def _notes(ds: Dataset, kind: ImageKind) -> tuple[str, ...]:
    unflagged = not fields.text(ds, "BurnedInAnnotation")
    sop_class = UID(fields.text(ds, "SOPClassUID"))
    notes = []
    if unflagged and (sop_class in TEXT_LIKELY or fields.text(ds, "Modality") == "OT"):
        notes.append(
            f"{sop_class.name.removesuffix(' Storage')} without BurnedInAnnotation: look for text in the pixels"
        )
    if is_colour(ds):
        notes.append(
            "colour: usable where the profile says colour: grey, if half of the pixels are grey (others stay) or tinted"
        )
    if kind == "radiograph":
        notes += [f"{keyword} isn't above 0: taken as unknown" for keyword in unknown_spacing(ds)]
    notes += [f"window {window} leaves no grey levels: left aside" for window in unused_windows(ds)]
    return tuple(notes)
