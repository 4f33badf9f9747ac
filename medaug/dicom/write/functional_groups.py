"""What becomes of the functional groups of an Enhanced object: the frames of the unit, each saying what was done to it.

A derived Enhanced object holds the frames of its unit and no others, in order along the slice normal, so that frame
k + 1 is slice k. Its top level says that it is synthetic; what each frame was derived from stands with the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medaug.dicom.frames import PER_FRAME, SHARED
from medaug.dicom.write import attribute_values
from medaug.dicom.write.attribute_values import Facts, item, put

_DERIVATION = "DerivationImageSequence"


def derivations(facts: Facts, changed: npt.NDArray[np.bool_]) -> tuple[Dataset, ...]:
    """One item of DerivationImageSequence per derived frame, from the untouched source.

    Args:
        facts: of the instance, with its frames.
        changed: (frames, rows, columns), True where the voxel is generated.

    Source: PS3.3 C.7.6.16.2.6.
    """
    return tuple(
        _derivation(facts, frame, generated=bool(plane.any()))
        for frame, plane in zip(facts.frames, changed, strict=True)
    )


def put_groups(ds: Dataset, frames: Sequence[int], made: Sequence[Dataset]) -> None:
    """Keep the groups of ``frames`` in this order, and add to each its derivation; in place.

    A group may stand in the shared groups or in those per frame, not in both, so a shared derivation is moved.

    Args:
        ds: the header; its groups are the source's.
        frames: 0-based frames of the source.
        made: from `derivations`.
    """
    shared = list(ds.get(SHARED) or [])
    before = [entry for group in shared for entry in group.get(_DERIVATION) or []]
    for group in shared:
        if _DERIVATION in group:
            del group[_DERIVATION]
    kept = [ds[PER_FRAME].value[frame] for frame in frames]
    for group, entry in zip(kept, made, strict=True):
        put(group, _DERIVATION, [*before, *(group.get(_DERIVATION) or []), entry])
    for group in (*shared, *kept):
        _mark_derived(group)
    put(ds, PER_FRAME, kept)


def _derivation(facts: Facts, frame: int, *, generated: bool) -> Dataset:
    source = facts.source
    image = item(
        ReferencedSOPClassUID=str(source.SOPClassUID),
        ReferencedSOPInstanceUID=str(source.SOPInstanceUID),
        ReferencedFrameNumber=frame + 1,
        PurposeOfReferenceCodeSequence=attribute_values.source_purpose(),
        SpatialLocationsPreserved="YES",
    )
    return item(
        DerivationDescription=attribute_values.what_was_done(facts, carried_over=not generated),
        DerivationCodeSequence=attribute_values.what_was_done_code(
            carried_over=not generated, alone=facts.provenance.boxes_alone
        ),
        SourceImageSequence=[image],
    )


def _mark_derived(group: Dataset) -> None:
    """FrameType value 1 in whichever macro of the class holds it (C.8.15.3.1, C.8.13.3.1); the others stay."""
    for element in group:
        for entry in element.value if element.VR == "SQ" else ():
            if "FrameType" in entry:
                put(entry, "FrameType", ["DERIVED", *list(entry.FrameType)[1:]])
