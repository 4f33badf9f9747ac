"""``coco.json``: the written boxes in COCO's form, one image for each slice that holds a box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from medaug.audit.canonical import canonical
from medaug.audit.durable import replace_file
from medaug.audit.record import Record
from medaug.imaging.boxes import codes_by_label

NAME = "coco.json"


def write_coco(records: Iterable[Record], output: Path) -> Path:
    """List every labelled slice in OUTPUT/coco.json.

    A bbox is [x, y, width, height] in pixels from the upper left edge of the image: x counts columns, y rows, and
    the box covers ``image[y:y+height, x:x+width]``. Categories are numbered from 1 in the order of their names. An
    image has "slice", its place (from 0) along the slice normal, and "frame", its place in the file: 0 where a file
    holds one image; for NIfTI the index of the array's last axis, and x and y are those of its first two.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT, to which file names are relative.

    Raises:
        OutputError: the file can't be written; an older one is as it was.

    Source: https://cocodataset.org/#format-data
    """
    written = sorted((r for r in records if r.status == "written"), key=lambda r: (r.source.key, r.variant, r.unit))
    labels = sorted({box.label for record in written for box in record.boxes})
    images = [{"id": number, **image} for number, image in enumerate((i for r in written for i in _images(r)), 1)]
    places = {(image["medaug"]["unit"], image["slice"]): image["id"] for image in images}
    annotations = [
        {"id": number, "image_id": places[record.unit, k], "category_id": labels.index(label) + 1, **shape}
        for number, (record, k, label, shape) in enumerate(_annotations(written), 1)
    ]
    codes = codes_by_label(box for record in written for box in record.boxes)
    content = {
        "info": {"description": "Synthetic variants for training only, made by medaug", "version": "1"},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label, **({"codes": codes[label]} if label in codes else {})}
            for number, label in enumerate(labels, 1)
        ],
    }
    return replace_file(output / NAME, canonical(content) + b"\n")


def labelled_slices(record: Record) -> list[int]:
    """The slices that hold a box, in order."""
    return sorted({k for box in record.boxes for k in range(box.start[0], box.stop[0])})


def _images(record: Record) -> Iterator[dict[str, Any]]:
    assert record.geometry is not None
    _, rows, columns = record.geometry.shape
    for k in labelled_slices(record):
        file, frame = record.places[k]
        yield {
            "file_name": record.images[file].path,
            "slice": k,
            "frame": frame,
            "height": rows,
            "width": columns,
            "medaug": {"unit": record.unit, "source": record.source.key, "patient": record.source.patient},
        }


def _annotations(records: Iterable[Record]) -> Iterator[tuple[Record, int, str, dict[str, Any]]]:
    for record in records:
        for box in record.boxes:
            (_, top, left), (_, height, width) = box.start, box.shape
            for k in range(box.start[0], box.stop[0]):
                shape = {"bbox": [left, top, width, height], "area": width * height, "iscrowd": 0}
                yield record, k, box.label, shape
