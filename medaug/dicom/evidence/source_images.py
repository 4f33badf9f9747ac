"""What builders are shown of a derived series: one single-frame image a slice, with all that a plane must state.

Reading asks less of a source than a builder does: a thickness, a frame of reference, one orientation to the digit,
groups that all frames share. What the series says is shown in the one way that a builder takes, whoever made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pydicom.valuerep import format_number_as_ds

from medaug.dicom.evidence.evidence_headers import Place, evidence_uid, shown
from medaug.dicom.frames import frames_of, is_enhanced
from medaug.dicom.read.header import KINDS
from medaug.dicom.read.stack import plane_of
from medaug.dicom.uids import derived_uid
from medaug.dicom.write.attribute_values import item, put

_PLANE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
_SHARED = (
    "ImageOrientationPatient",
    "PixelSpacing",
    "SpacingBetweenSlices",
)  # by all slices, within what reading tolerates


def source_images(places: Sequence[Place], side: int) -> tuple[Dataset, ...]:
    """One image of ``side`` × ``side`` px for each slice, in slice order; a frame has a UID that `put_back` knows.

    A radiograph is shown without a plane, whatever it states: it has no place in the patient.

    Args:
        places: of the series' slices.
        side: px; what a builder makes for every pixel is set afterwards.
    """
    images = {id(ds): shown(ds) for ds, _ in places}
    made = [_image(ds, frame, images[id(ds)], side) for ds, frame in places]
    if KINDS[places[0][0].SOPClassUID] == "slice":
        _put_planes(made, list(_flat(places)))
    return tuple(made)


def put_back(made: Dataset, places: Sequence[Place]) -> None:
    """Let every reference of an object that was built from `source_images` name its instance and frame; in place."""
    if not is_enhanced(places[0][0]):
        return
    meant = {_uid(ds, frame or 1): (ds, frame or 1) for ds, frame in places}
    for group in made.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for image in derivation.SourceImageSequence:
                place = meant.get(str(image.ReferencedSOPInstanceUID))
                if place is None:  # put back before: the builder shares items among the segments of a frame
                    continue
                ds, frame = place
                put(image, "ReferencedSOPClassUID", str(ds.SOPClassUID))
                put(image, "ReferencedSOPInstanceUID", str(ds.SOPInstanceUID))
                put(image, "ReferencedFrameNumber", frame)
    instances = {str(ds.SOPInstanceUID): str(ds.SOPClassUID) for ds, _ in places}
    named = [item(ReferencedSOPClassUID=kind, ReferencedSOPInstanceUID=uid) for uid, kind in instances.items()]
    (series,) = made.ReferencedSeriesSequence
    put(series, "ReferencedInstanceSequence", named)
    if "SourceImageSequence" in made:
        put(made, "SourceImageSequence", named)


def _image(ds: Dataset, frame: int | None, shown: Dataset, side: int) -> Dataset:
    made = Dataset()
    for element in shown:
        if element.keyword not in _PLANE:
            made[element.tag] = element
    put(made, "Rows", side)  # `put`, since elements are shared with the header, and a new value would be its, too
    put(made, "Columns", side)
    if frame is not None:
        put(made, "SOPClassUID", CTImageStorage if shown.Modality == "CT" else MRImageStorage)
        put(made, "SOPInstanceUID", _uid(ds, frame))
    return made


def _flat(places: Sequence[Place]) -> Iterator[Dataset]:
    """What is said of each slice, in slice order."""
    known = {key: list(frames_of(ds)) for key, ds in {id(ds): ds for ds, _ in places}.items()}
    return (known[id(ds)][(frame or 1) - 1] for ds, frame in places)


def _put_planes(images: Sequence[Dataset], flat: Sequence[Dataset]) -> None:
    first, thickness = flat[0], _thickness(flat)
    for image, frame in zip(images, flat, strict=True):
        image["ImagePositionPatient"] = frame["ImagePositionPatient"]
        for keyword in _SHARED:
            if keyword in first:
                image[keyword] = first[keyword]
        image["SliceThickness"] = thickness
        if not image.get("FrameOfReferenceUID"):  # evidence must be in the same one as the image
            put(image, "FrameOfReferenceUID", evidence_uid("frame of reference", image))


def _thickness(flat: Sequence[Dataset]) -> DataElement:
    """As stated, to the letter: some write more digits than the Standard has room for.

    Of a series that states none, how far its slices lie apart; empty of a lone slice.
    """
    if flat[0].get("SliceThickness"):
        return flat[0]["SliceThickness"]
    apart = flat[0].get("SpacingBetweenSlices")
    if len(flat) > 1:
        depths = [plane_of(end).depth for end in (flat[0], flat[-1])]
        apart = f"{abs(depths[1] - depths[0]) / (len(flat) - 1):.6g}"
    return DataElement("SliceThickness", "DS", apart and format_number_as_ds(float(apart)))


def _uid(ds: Dataset, frame: int) -> str:
    return derived_uid("stand-in", str(ds.SOPInstanceUID), str(frame))
