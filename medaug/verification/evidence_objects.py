"""The evidence of a unit made again from its images and its record: swapped labels, codes or boxes contradict them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.audit.record import Record
from medaug.dicom.evidence.evidence_headers import headers
from medaug.dicom.evidence.report import report
from medaug.dicom.evidence.segmentation import segmentation
from medaug.dicom.write.provenance import Provenance
from medaug.imaging.boxes import distinct_codes
from medaug.processes.quiet import quiet
from medaug.verification.derivation import differing
from medaug.verification.encoded import Elements

FEW = 2  # slices that a segmentation's header is made from: what differs frame by frame is checked frame by frame
# Of a segmentation, what lists its frames or the instances that they mark; `unit_files` checks the references.
BY_FRAME = frozenset({
    "PerFrameFunctionalGroupsSequence", "NumberOfFrames", "ReferencedSeriesSequence", "DimensionIndexSequence",
    "SharedFunctionalGroupsSequence", "DimensionOrganizationSequence", "SourceImageSequence",
})  # fmt: skip


def object_differences(
    read: tuple[Path, Dataset, Elements], images: Sequence[Path], record: Record, said: Provenance
) -> tuple[str, ...]:
    """Attributes of ``regions.dcm`` or ``boxes.dcm`` that aren't what the writer makes of these images.

    Args:
        read: the object: its path, its data set, and its elements, see `derivation.as_read`.
        images: the unit's derived instances, in slice order; read for their headers.
        record: of the unit.
        said: see `Statement.provenance`.

    Raises:
        ValueError: it can't be made; likewise whatever highdicom raises over odd headers.
        OSError: an image can't be read.
    """
    path, found, raw = read
    with quiet():
        if path.name == "boxes.dcm":
            return differing(report(headers(images), record.boxes, said), found, raw)
        made = segmentation(headers(images[:FEW]), said, distinct_codes(record.boxes))
        return tuple(name for name in differing(made, found, raw) if name not in BY_FRAME)
