"""What stands beside the image of a unit: which voxels are generated, and the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medaug.audit.layout import EVIDENCE, IMAGE
from medaug.augmentation.case import Variant
from medaug.dicom.evidence.templates import Templates
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.written import Written
from medaug.formats.registry import FORMATS, REGIONS
from medaug.imaging.boxes import distinct_codes
from medaug.imaging.volume import Mask, Rescale, Volume
from medaug.profile.profile import Profile
from medaug.regions.marks import MARKS, bit


def write_evidence(
    variant: Variant, folder: Path, profile: Profile, provenance: Provenance, templates: Templates
) -> tuple[Written, ...]:
    """Write ``evidence/`` of a unit whose image lies in ``folder``, as far as the profile asks for it.

    DICOM: ``regions.dcm`` (Segmentation) and, where there is a box, ``boxes.dcm`` (measurement report). Other formats:
    ``regions.nii.gz``, ``regions.png`` and the like, with a bit for each of `regions.marks.MARKS`.

    Returns:
        The DICOM files, whose digests are known.

    Raises:
        WriteError: the object can't be built, or was not read back as written.
        OutputError: the disk didn't take it.
    """
    files = sorted((folder / IMAGE).glob("*.dcm"))
    dicom, wanted = bool(files), profile.evidence
    report = dicom and wanted.report and bool(variant.boxes)
    if not (wanted.segmentation or report):
        return ()
    target = folder / EVIDENCE
    target.mkdir()
    written: list[Written] = []
    masks = (variant.regions.free, variant.regions.observed, labelled(variant))
    if wanted.segmentation and dicom:
        from medaug.dicom.evidence.segmentation import write_segmentation

        codes = distinct_codes(variant.boxes)
        path = target / "regions.dcm"
        written.append(
            write_segmentation(files, masks, provenance=provenance, path=path, codes=codes, templates=templates)
        )
    elif wanted.segmentation:
        kind = FORMATS[variant.volume.source.format]
        kind.write(label_map(variant.volume, masks), target / f"{REGIONS}{kind.suffix}", None, True)
    if report:
        from medaug.dicom.evidence.report import write_report

        path = target / "boxes.dcm"
        written.append(write_report(files, variant.boxes, provenance=provenance, path=path, templates=templates))
    return tuple(written)


def labelled(variant: Variant) -> Mask:
    """True inside any box; (slices, rows, columns)."""
    mask = np.zeros(variant.volume.stored.shape, dtype=np.bool_)
    for box in variant.boxes:
        mask[box.slices] = True
    return mask


def label_map(volume: Volume, masks: Sequence[Mask]) -> Volume:
    """The three masks as bits of one uint8 volume on the image's grid."""
    stored = np.zeros(volume.stored.shape, dtype=np.uint8)
    for mark, mask in zip(MARKS, masks, strict=True):
        stored[mask] |= np.uint8(bit(mark))
    return replace(
        volume, stored=stored, rescale=(Rescale(),) * len(volume.rescale), stored_range=(0, 255), padding=None
    )
