"""A DICOM Segmentation that marks, voxel by voxel, what of a derived series is generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from medaug.dicom.evidence.concepts import stated
from medaug.dicom.evidence.evidence_headers import (
    building,
    evidence_uid,
    finish,
    frame_references,
    headers,
    save,
    series_number,
)
from medaug.dicom.evidence.source_images import put_back, source_images
from medaug.dicom.evidence.templates import Templates
from medaug.dicom.write.attribute_values import PRIVATE_SCHEME, put
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.written import Written
from medaug.imaging.boxes import Code as BoxCode
from medaug.imaging.volume import Mask
from medaug.regions.marks import MARKS


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes:
        label: SegmentLabel (0062,0005); `medaug verify` and people read it.
        code: of the private scheme: CID 7150 and its kin name anatomy, not the history of a pixel.
        meaning: of that code.
        algorithm: SegmentAlgorithmType (0062,0008).
        colour: red, green, blue from 0 to 255, as in the previews; viewers show the segment in it.
    """

    label: str
    code: str
    meaning: str
    algorithm: str
    colour: tuple[int, int, int]


# In the order of `MARKS`. They overlap: what is observed may be generated anew, and every box is observed.
SEGMENTS = (
    Segment("synthetic", "FREE", "Pixels that may be generated", "AUTOMATIC", (245, 130, 20)),
    Segment("observed", "OBSERVED", "Pixels that guided the solution", "AUTOMATIC", (255, 210, 40)),
    # a person drew the box
    Segment("protected label", "LABEL", "Pixels inside a label, kept", "SEMIAUTOMATIC", (64, 132, 255)),
)
CATEGORY = ("309825002", "SCT", "Spatial and Relational Concept")
FAMILY = ("123110", "DCM", "Artificial Intelligence")
SERIES_OFFSET = 500
_NAMED = ("regions series", "regions", "dimensions")  # kinds of UIDs in it
SIDE = 8  # px of the images that the builder is shown


def write_segmentation(
    files: Sequence[Path],
    masks: Sequence[Mask],
    *,
    provenance: Provenance,
    path: Path,
    codes: Sequence[BoxCode] = (),
    templates: Templates | None = None,
) -> Written:
    """Write ``SEGMENTS`` for a derived series; same inputs, same bytes.

    Every slice has a frame for every segment, empty ones too, so that "not marked" can't be taken for "not said".
    A series in patient space gets planes of its own; a radiograph has none, and its frames refer to their image only.

    Args:
        files: the derived instances in slice order.
        masks: free, observed and boxes, each (slices, rows, columns).
        provenance: of the unit.
        path: the file to write; its folder exists.
        codes: of the labels, where they have some: they modify what the third segment means (0062,0011).
        templates: what is kept between variants.

    Returns:
        The file.

    Raises:
        WriteError: the object can't be built from these headers, or was not read back as written.
        OutputError: the disk didn't take it.
    """
    derived = headers(files)
    with building("segmentation"):
        made = segmentation(derived, provenance, codes, templates)
    put_frames(made, masks, derived)
    return save(made, path)


def segmentation(
    derived: Sequence[Dataset], provenance: Provenance, codes: Sequence[BoxCode], templates: Templates | None = None
) -> Dataset:
    """The object without its pixels; arguments as for `write_segmentation`, headers in place of files.

    Raises:
        Exception: whatever highdicom raises over odd headers.
    """
    names = provenance.unit[:16], *(evidence_uid(kind, derived[0]) for kind in _NAMED)
    made = (templates or Templates()).of(
        "segmentation",
        derived,
        (provenance.software_version, tuple(codes)),
        names,
        lambda: _built(derived, provenance, codes),
    )
    put(made, "SeriesNumber", series_number(derived[0], SERIES_OFFSET))  # the variant's own
    finish(made, derived[0], provenance, f"SYNTHETIC medaug variant {provenance.variant} regions")
    made.SegmentsOverlap = "YES"
    return made


def put_frames(made: Dataset, masks: Sequence[Mask], derived: Sequence[Dataset]) -> None:
    """Set PixelData: one bit per pixel, frames without gaps between them (PS3.5 8.1.1, D.1).

    Args:
        made: the object; its functional groups say which segment and which instance each frame stands for.
        masks: one per segment, (slices, rows, columns).
        derived: headers of the derived series, in slice order.
    """
    position = {(str(ds.SOPInstanceUID), frame): k for k, (ds, frame) in enumerate(frame_references(derived))}
    frames = []
    for group in made.PerFrameFunctionalGroupsSequence:
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        place = str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber")
        frames.append(masks[number - 1][position[place]])
    # frames of whole bytes need not be laid end to end first
    together = frames if frames[0].size % 8 == 0 else [np.concatenate([frame.ravel() for frame in frames])]
    data = b"".join(np.packbits(frame, bitorder="little").tobytes() for frame in together)
    made["PixelData"] = DataElement(0x7FE00010, "OB", data + b"\0" * (len(data) % 2))


def _built(derived: Sequence[Dataset], provenance: Provenance, codes: Sequence[BoxCode]) -> Dataset:
    """The object by highdicom, with empty frames: the masks are packed by us, without copies of each."""
    import highdicom

    first, slices = derived[0], frame_references(derived)
    images = source_images(slices, SIDE)  # what is built for all pixels would be thrown away: `put_frames` sets them
    blank = np.zeros((len(images), SIDE, SIDE), dtype=np.uint8)
    made: Dataset = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=blank,
        segmentation_type="BINARY",
        segment_descriptions=[_described(n, s, provenance) for n, s in zip(MARKS, SEGMENTS, strict=True)],
        series_instance_uid=evidence_uid("regions series", first),
        series_number=series_number(first, SERIES_OFFSET),
        sop_instance_uid=evidence_uid("regions", first),
        instance_number=1,
        manufacturer="medaug",
        manufacturer_model_name="medaug",
        software_versions=provenance.software_version,
        device_serial_number=provenance.unit[:16],
        content_label="MEDAUG_REGIONS",
        content_description="Which pixels of a partly synthetic series are generated",
        omit_empty_frames=False,
    )
    made.Rows, made.Columns = first.Rows, first.Columns
    put_back(made, slices)
    organization = evidence_uid("dimensions", first)
    for sequence in (made.DimensionOrganizationSequence, made.DimensionIndexSequence):
        for entry in sequence:
            entry.DimensionOrganizationUID = organization
    if "PlanePositionSequence" not in made.PerFrameFunctionalGroupsSequence[0]:
        _without_planes(made, first)
    _qualify(made.SegmentSequence[-1], codes)
    return made


def _described(number: int, segment: Segment, provenance: Provenance) -> Any:
    import highdicom
    from highdicom.color import CIELabColor
    from pydicom.sr.coding import Code

    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=Code(*CATEGORY),
        segmented_property_type=Code(segment.code, PRIVATE_SCHEME, segment.meaning),
        algorithm_type=segment.algorithm,
        display_color=CIELabColor.from_rgb(*segment.colour),
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="medaug", family=Code(*FAMILY), version=provenance.software_version
        ),
    )


def _qualify(segment: Dataset, codes: Sequence[BoxCode]) -> None:
    """Say which findings the labelled pixels hold: modifiers of the segment's property type (PS3.3 C.8.20.2)."""
    from highdicom.sr import CodedConcept

    if codes:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [CodedConcept(*stated(code)) for code in codes]


def _without_planes(made: Dataset, first: Dataset) -> None:
    """A radiograph: no measures without planes (type 1C SliceThickness), and the orientation that 2C then asks for."""
    for group in (*made.SharedFunctionalGroupsSequence, *made.PerFrameFunctionalGroupsSequence):
        if "PixelMeasuresSequence" in group:
            del group.PixelMeasuresSequence
    made.PatientOrientation = first.get("PatientOrientation", "")
