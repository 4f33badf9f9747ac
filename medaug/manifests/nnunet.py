"""A data set in nnU-Net's layout, of variants whose source's label is a mask.

A mask lies inside its boxes, so a variant holds the source's voxels wherever the mask does: the source's mask is the
variant's label as it is. Labels that were drawn as boxes are none: a box isn't the outline of a lesion.

Source: https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medaug.audit.record import Record
from medaug.errors import ManifestError, counted
from medaug.formats.nifti import write_nifti
from medaug.imaging.motion import Motions
from medaug.imaging.moved import lost_of, moved_mask
from medaug.imaging.volume import Mask, Rescale, Volume
from medaug.manifests.rendering import Show, bytes_of, write_png

Numbers = npt.NDArray[np.uint8]
IMAGES, LABELS = "imagesTr", "labelsTr"


@dataclass(frozen=True)
class DatasetKind:
    """What all cases of one data set share.

    Attributes:
        ending: ``.nii.gz`` for volumes, ``.png`` for radiographs.
        channel: the channel's name; ``CT`` makes nnU-Net keep HU.
    """

    ending: str
    channel: str

    @classmethod
    def of(cls, record: Record) -> DatasetKind:
        """The kind of a unit's image."""
        assert record.geometry is not None
        spread = record.geometry.space == "patient"
        return cls(".nii.gz" if spread else ".png", record.source.modality or "image")


def one_kind(records: Sequence[Record]) -> DatasetKind:
    """What the records share.

    Raises:
        ManifestError: they are of several kinds, which one nnU-Net data set can't hold, or there are none.
    """
    kinds = sorted({(kind.channel, kind.ending) for kind in map(DatasetKind.of, records)})
    if len(kinds) != 1:
        found = ", ".join(f"{channel} as {ending}" for channel, ending in kinds) or "none"
        raise ManifestError(f"nnunet: expected masks on images of one kind, found {found}; export each kind by itself")
    return DatasetKind(kinds[0][1], kinds[0][0])


def label_map(record: Record, masks: Mapping[str, Mask], labels: Sequence[str]) -> Numbers:
    """The classes as numbers from 1, (slices, rows, columns) uint8; 0 is background.

    Raises:
        ManifestError: a mask isn't what the unit protected, or two classes overlap.
    """
    assert record.geometry is not None
    if record.transplant is not None:
        raise ManifestError(
            f"nnunet: unit {record.unit[:16]}: a lesion of another image was set in, and only its box is known here; "
            "export boxes, or variants of another law"
        )
    numbers = np.zeros(record.geometry.shape, dtype=np.uint8)
    for label, given in sorted(masks.items()):
        mask = given if record.moved is None else _moved(given, record.moved.motions)
        outside = mask.copy()
        for box in record.boxes:
            if box.label == label:
                outside[box.slices] = False
        if mask.shape != numbers.shape or outside.any():
            raise ManifestError(
                f"nnunet: unit {record.unit[:16]}: the mask of a class isn't inside the boxes that were protected; "
                "give the annotations that the run was given"
            )
        if (numbers[mask] != 0).any():
            shared = counted(int(np.count_nonzero(numbers[mask])), "voxel")
            raise ManifestError(
                f"nnunet: unit {record.unit[:16]}: two classes share {shared}, "
                "and a label map holds one each; export classes that don't overlap"
            )
        numbers[mask] = labels.index(label) + 1
    return numbers


def _moved(mask: Mask, motions: Motions) -> Mask:
    """A mask of the source (1, rows, columns) where the image shows it; not where the source has no data."""
    return np.asarray((moved_mask(mask[0], motions) & ~lost_of(motions, mask.shape[1:]))[None])


def write_case(folder: Path, record: Record, volume: Volume, numbers: Numbers, show: Show) -> None:
    """Add one variant and its label map, under the name of its unit.

    Args:
        folder: of the data set.
        record: of the unit.
        volume: its image as written.
        numbers: from `label_map`.
        show: the window, for radiographs.
    """
    case, kind = f"medaug_{record.unit[:16]}", DatasetKind.of(record)
    for part in (IMAGES, LABELS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    image, label = folder / IMAGES / f"{case}_0000{kind.ending}", folder / LABELS / f"{case}{kind.ending}"
    if kind.ending == ".png":
        write_png(bytes_of(volume, show(volume), 0), image)
        write_png(numbers[0], label)
        return
    write_nifti(_plain(volume), image)
    write_nifti(replace(_plain(volume), stored=numbers, rescale=_ones(volume), stored_range=(0, 255)), label)


def write_index(folder: Path, kind: DatasetKind, labels: Sequence[str], cases: int, *, generated: bool = True) -> None:
    """dataset.json; ``generated`` is False where it holds classic copies."""
    what = "Synthetic images" if generated else "Classic copies"
    content = {
        "name": folder.name,
        "description": f"{what} for training, made by medaug; never validate or test on them",
        "channel_names": {"0": kind.channel},
        "labels": {"background": 0, **{label: number for number, label in enumerate(labels, 1)}},
        "numTraining": cases,
        "file_ending": kind.ending,
    }
    (folder / "dataset.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _plain(volume: Volume) -> Volume:
    """With one rescale for all slices, as NIfTI has it; where slices differ, modality values as floats."""
    volume = replace(volume, padding=None, inverted=False)
    if len(set(volume.rescale)) == 1:
        return volume
    return replace(volume, stored=volume.modality.astype(np.float32), rescale=_ones(volume))


def _ones(volume: Volume) -> tuple[Rescale, ...]:
    return (Rescale(),) * len(volume.rescale)
