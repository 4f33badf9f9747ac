"""Data sets of PNG pictures with their boxes in one file beside them: FiftyOne's, and an imagefolder of Hugging Face's.

Sources: https://docs.voxel51.com/user_guide/import_datasets.html (FiftyOneImageDetectionDataset);
https://huggingface.co/docs/datasets/image_dataset (imagefolder, metadata.jsonl, object detection).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medaug.audit.record import Record
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from medaug.manifests.coco import coco_box, labelled_slices
from medaug.manifests.rendering import Show, bytes_of, write_png
from medaug.manifests.splits import fold_of


@dataclass(frozen=True)
class WrittenSlice:
    """One labelled slice as it was written.

    Attributes:
        stem: of its file.
        size: (rows, columns).
        boxes: those on the slice.
        record: of its unit.
    """

    stem: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    record: Record

    @property
    def about(self) -> dict[str, str | int]:
        """What joins it with OUTPUT and keeps its patient together."""
        source = self.record.source
        return {
            "unit": self.record.unit,
            "source": source.key,
            "patient": source.patient,
            **self._folds(),
        }

    def _folds(self) -> dict[str, str | int]:
        """That of its patient; of two, none: who asks for one is told."""
        made = self.record.transplant
        if made is None:
            return {"fold": fold_of(self.record.source.patient)}
        folds = {"fold_of_patient": fold_of(self.record.source.patient), "fold_of_donor": fold_of(made.donor.patient)}
        return {"donor": made.donor.key, "donor_patient": made.donor.patient, **folds}


def write_pictures(folder: Path, record: Record, volume: Volume, show: Show) -> Iterator[WrittenSlice]:
    """Write the labelled slices of a unit into a folder; 8 bits at the profile's window, bright is high."""
    folder.mkdir(parents=True, exist_ok=True)
    window = show(volume)
    for k in labelled_slices(record.boxes):
        stem = f"{record.unit[:16]}-{k:04d}"
        write_png(bytes_of(volume, window, k), folder / f"{stem}.png")
        here = tuple(box for box in record.boxes if box.start[0] <= k < box.stop[0])
        yield WrittenSlice(stem, volume.geometry.shape[1:], here, record)


def write_fiftyone(folder: Path, pictures: Iterable[WrittenSlice], labels: Sequence[str]) -> None:
    """labels.json of a FiftyOneImageDetectionDataset, whose pictures lie in data/."""
    detections = {picture.stem: [_detection(picture, box) for box in picture.boxes] for picture in pictures}
    content = {"classes": list(labels), "labels": detections}
    (folder / "labels.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _detection(picture: WrittenSlice, box: Box) -> Mapping[str, Any]:
    """A box in shares of the picture: [left, top, width, height]."""
    (_, top, left), (_, height, width) = box.start, box.shape
    rows, columns = picture.size
    corner = [left / columns, top / rows, width / columns, height / rows]
    return {"label": box.label, "bounding_box": corner, "attributes": picture.about}


def write_imagefolder(folder: Path, pictures: Iterable[WrittenSlice], _labels: Sequence[str]) -> None:
    """metadata.jsonl of an imagefolder, beside the pictures in train/."""
    lines = [json.dumps(_line(picture), ensure_ascii=False) + "\n" for picture in pictures]
    (folder / "train" / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def _line(picture: WrittenSlice) -> Mapping[str, Any]:
    boxes = {
        "bbox": [coco_box(box)["bbox"] for box in picture.boxes],
        "categories": [box.label for box in picture.boxes],
    }
    return {"file_name": f"{picture.stem}.png", "objects": boxes, **picture.about}


@dataclass(frozen=True)
class PictureForm:
    """Where the pictures of a data set lie, and how its list is written."""

    folder: str
    write: Callable[[Path, Iterable[WrittenSlice], Sequence[str]], None]


FORMS = {"fiftyone": PictureForm("data", write_fiftyone), "imagefolder": PictureForm("train", write_imagefolder)}
