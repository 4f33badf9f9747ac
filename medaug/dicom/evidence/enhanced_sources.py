"""Frames of several Enhanced objects, shown to a builder that takes one such object or single-frame images only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from medaug.dicom.frames import frame_of
from medaug.dicom.uids import derived_uid
from medaug.dicom.write.attribute_values import item, put

_OWN = frozenset(  # not taken over: elements are shared, not copied
    {
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "DimensionOrganizationSequence",
        "DimensionOrganizationType",
        "DimensionIndexSequence",
        "NumberOfFrames",
        "SOPClassUID",
        "SOPInstanceUID",
    }
)
Place = tuple[Dataset, int | None]  # an instance, and the number of its frame from 1


def stand_ins(places: Sequence[Place], shown: Mapping[str, Dataset]) -> tuple[Dataset, ...]:
    """One single-frame image for each frame, in slice order, under a UID that `put_back` knows.

    Args:
        places: of the series' slices.
        shown: what a builder may see of each instance, by its UID.
    """
    return tuple(_stand_in(ds, frame or 1, shown[str(ds.SOPInstanceUID)]) for ds, frame in places)


def put_back(made: Dataset, places: Sequence[Place]) -> None:
    """Let every reference of an object that was built from `stand_ins` name its instance and frame; in place."""
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


def _stand_in(ds: Dataset, frame: int, shown: Dataset) -> Dataset:
    made = Dataset()
    for source in (shown, frame_of(ds, frame - 1)):
        for element in source:
            if element.keyword not in _OWN:
                made[element.tag] = element
    made.SOPClassUID = CTImageStorage if shown.Modality == "CT" else MRImageStorage
    made.SOPInstanceUID = _uid(ds, frame)
    return made


def _uid(ds: Dataset, frame: int) -> str:
    return derived_uid("stand-in", str(ds.SOPInstanceUID), str(frame))
