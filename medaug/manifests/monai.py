"""``monai.json``: a Decathlon datalist of the written images and boxes, for `monai.data.load_decathlon_datalist`.

Three habits of MONAI decide its form:

* The loader turns any string it meets on an item's first level into a path when a file of that name exists, and string
  labels always. So labels are integers, named once on top, and provenance sits one level down.
* Its DICOM and NIfTI readers index arrays [column, row, slice]. So a box is [x, y, z] low, then high, with x the
  column, y the row and z the slice, high exclusive: ``image[x0:x1, y0:y1, z0:z1]`` is the lesion.
* Given a folder, `PydicomReader` stacks its files by InstanceNumber, and gives a 2-D array when there is only one. So
  "image" is a folder for DICOM, and a box has four numbers for one DICOM slice or a picture, six for all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from medaug.audit.canonical import canonical
from medaug.audit.durable import replace_file
from medaug.audit.record import Record
from medaug.imaging.boxes import Box

NAME = "monai.json"


def write_monai(records: Iterable[Record], output: Path) -> Path:
    """List every written image in OUTPUT/monai.json; a class's number is its place among the sorted class names.

    There is a "training" split and no other: a synthetic image inherits its source's patient and may not be used to
    judge a model.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT, to which image paths are relative.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
    """
    written = sorted((r for r in records if r.status == "written"), key=lambda r: (r.source.key, r.variant, r.unit))
    labels = sorted({box.label for record in written for box in record.boxes})
    content = {
        "name": "medaug",
        "description": "Synthetic variants for training only. Split by medaug.patient; never validate or test on them.",
        "labels": {str(number): label for number, label in enumerate(labels)},
        "numTraining": len(written),
        "training": [_item(record, labels) for record in written],
    }
    return replace_file(output / NAME, canonical(content) + b"\n")


def _item(record: Record, labels: Sequence[str]) -> dict[str, Any]:
    first = PurePosixPath(record.images[0].path)
    dicom = first.suffix == ".dcm"
    return {
        "image": str(first.parent if dicom else first),
        "box": [_corners(box, planar=record.planar) for box in record.boxes],
        "label": [labels.index(box.label) for box in record.boxes],
        "medaug": _provenance(record),
    }


def _corners(box: Box, *, planar: bool) -> list[int]:
    """Index order (k, i, j) reversed to (x, y, z), the lower corner first; a radiograph has no z."""
    axes = 2 if planar else 3
    return [*box.start[::-1][:axes], *box.stop[::-1][:axes]]


def _provenance(record: Record) -> dict[str, Any]:
    """Flat, strings and numbers only, so that data loaders can collate it; the rest is in the record."""
    return {
        "unit": record.unit,
        "variant": record.variant,
        "seed": record.seed,
        "source": record.source.key,
        "source_series_uid": record.source.series_uid,
        "patient": record.source.patient,
        "record": f"{record.folder}/record.json",
    }
