"""``coco.json``: the written boxes in COCO's form, one image for each slice that holds a box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from medaug.audit.record import Record
from medaug.audit.record_order import Ordered
from medaug.audit.source_names import Sources, donor_of, origin
from medaug.imaging.boxes import Box
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import DiskMap, Reiterable

COCO = "coco.json"


def write_coco(records: Iterable[Record], output: Path, sources: Sources | None = None) -> Path:
    """List every labelled slice in OUTPUT/coco.json.

    A bbox is [x, y, width, height] in pixels from the upper left edge of the image: x counts columns, y rows, and
    the box covers ``image[y:y+height, x:x+width]``. Categories are numbered from 1 in the order of their names. An
    image has "slice", its place (from 0) along the slice normal, and "frame", its place in the file: 0 where a file
    holds one image; for NIfTI the index of the array's last axis, and x and y are those of its first two.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT, to which file names are relative.
        sources: how plan.json names the source files.

    Raises:
        OutputError: the file can't be written; an older one is as it was.

    Source: https://cocodataset.org/#format-data
    """
    return replace_file(output / COCO, document(coco_content(Ordered.of(records), sources)))


def coco_content(ordered: Ordered, sources: Sources | None = None) -> dict[str, Any]:
    """What `write_coco` writes; images and annotations are made as they are taken."""
    named: Sources = DiskMap() if sources is None else sources
    written, labels, codes = ordered.written, ordered.labels, ordered.codes
    what = "Classic copies" if ordered.tally.copies else "Synthetic variants"
    return {
        "info": {"description": f"{what} for training only, made by medaug", "version": "1"},
        "images": Reiterable(lambda: _images(written, named)),
        "annotations": Reiterable(lambda: _annotations(written, labels)),
        "categories": [
            {"id": number, "name": label, **({"codes": codes[label]} if label in codes else {})}
            for number, label in enumerate(labels, 1)
        ],
    }


def labelled_slices(boxes: Iterable[Box]) -> list[int]:
    """The slices that hold a box, in order."""
    return sorted({k for box in boxes for k in range(box.start[0], box.stop[0])})


def coco_box(box: Box) -> dict[str, Any]:
    """A box on any of its slices."""
    (_, top, left), (_, bottom, right), (_, height, width) = box.start, box.stop, box.shape
    outline = [left, top, right, top, right, bottom, left, bottom]  # readers draw, and make masks of, this alone
    return {"bbox": [left, top, width, height], "area": width * height, "segmentation": [outline]}


def _images(records: Iterable[Record], named: Sources) -> Iterator[dict[str, Any]]:
    for number, (record, k) in enumerate(((r, k) for r in records for k in labelled_slices(r.boxes)), 1):
        assert record.geometry is not None
        _, rows, columns = record.geometry.shape
        file, frame = record.slice_frames[k]
        yield {
            "id": number,
            "file_name": record.images[file].path,
            "slice": k,
            "frame": frame,
            "height": rows,
            "width": columns,
            "medaug": {
                "unit": record.unit,
                "source": record.source.key,
                "patient": record.source.patient,
                **origin(record.source, named.get(record.source.key), k),
                **donor_of(record, named),
                **({"classic": True} if record.kind == "classic" else {}),
            },
        }


def _annotations(records: Iterable[Record], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The images are numbered as in `_images`."""
    number, images = 0, 0
    for record in records:
        places = {k: images + n for n, k in enumerate(labelled_slices(record.boxes), 1)}
        images += len(places)
        for box in record.boxes:
            for k in range(box.start[0], box.stop[0]):
                number += 1
                category = labels.index(box.label) + 1
                yield {"id": number, "image_id": places[k], "category_id": category, "iscrowd": 0, **coco_box(box)}
