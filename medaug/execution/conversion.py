"""A plan's boxes in other formats, image by image; images are named by SOP Instance UID, never by file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medaug.errors import AnnotationError
from medaug.execution.plan import Unit
from medaug.imaging.boxes import Box


@dataclass(frozen=True)
class Labelled:
    """One slice with boxes.

    Attributes:
        uid: SOP Instance UID; for NIfTI the name made from its content.
        slice: k where one instance holds several slices, else None.
        rows: image height in px.
        columns: image width in px.
        boxes: those that reach into the slice.
    """

    uid: str
    slice: int | None
    rows: int
    columns: int
    boxes: tuple[Box, ...]


def labelled(units: Sequence[Unit]) -> Iterator[Labelled]:
    """Every slice with boxes, each source once; a box over several slices is one on each of them."""
    for unit in {unit.recipe.source: unit for unit in units}.values():
        slices, rows, columns = unit.shape
        uids = unit.reference.instance_uids
        for k in range(slices):
            here = tuple(box for box in unit.boxes if box.start[0] <= k < box.stop[0])
            if here:
                yield Labelled(uids[k], k if uids.count(uids[k]) > 1 else None, rows, columns, here)


def to_csv(images: Sequence[Labelled]) -> str:
    """Comma-separated, as `annotations.tabular` reads it: half-open pixels from 0."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("sop_instance_uid", "slice", "x_min", "y_min", "x_max", "y_max", "label"))
    for image in images:
        for box in image.boxes:
            (_, top, left), (_, bottom, right) = box.start, box.stop
            writer.writerow(
                (image.uid, "" if image.slice is None else image.slice, left, top, right, bottom, box.label)
            )
    return stream.getvalue()


def to_coco(images: Sequence[Labelled]) -> str:
    """COCO JSON with ``sop_instance_uid``, and ``slice`` where it is needed."""
    labels = _labels(images)
    content = {
        "images": [
            {
                "id": n,
                "file_name": f"{image.uid}.dcm",
                "sop_instance_uid": image.uid,
                "width": image.columns,
                "height": image.rows,
                **({} if image.slice is None else {"slice": image.slice}),
            }
            for n, image in enumerate(images, 1)
        ],
        "annotations": [
            {"id": m, "image_id": n, "category_id": labels.index(box.label) + 1, "iscrowd": 0, **_sides(box)}
            for m, (n, box) in enumerate(((n, b) for n, i in enumerate(images, 1) for b in i.boxes), 1)
        ],
        "categories": [{"id": n, "name": label} for n, label in enumerate(labels, 1)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_yolo(images: Sequence[Labelled]) -> dict[str, str]:
    """File name → content: one ``.txt`` per image and ``classes.txt``.

    Raises:
        AnnotationError: an instance holds several slices, for which YOLO has no words.
    """
    if any(image.slice is not None for image in images):
        raise AnnotationError("YOLO: expected one slice per image, found several in one; convert to coco or csv")
    labels = _labels(images)
    files = {"classes.txt": "".join(f"{label}\n" for label in labels)}
    for image in images:
        lines = []
        for box in image.boxes:
            (_, top, left), (_, bottom, right) = box.start, box.stop
            shares = ((left + right) / 2 / image.columns, (top + bottom) / 2 / image.rows)
            sides = ((right - left) / image.columns, (bottom - top) / image.rows)
            # eight decimals: of 60,000 px less than a thousandth of a pixel
            lines.append(" ".join((str(labels.index(box.label)), *(f"{n:.8f}" for n in (*shares, *sides)))))
        files[f"{image.uid}.txt"] = "\n".join(lines) + "\n"
    return files


def _labels(images: Sequence[Labelled]) -> list[str]:
    return sorted({box.label for image in images for box in image.boxes})


def _sides(box: Box) -> dict[str, object]:
    (_, top, left), (_, bottom, right) = box.start, box.stop
    return {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
