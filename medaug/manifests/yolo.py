"""A YOLO data set of the written images: one PNG and one text file for each slice that holds a box.

Source: https://docs.ultralytics.com/datasets/detect/ (images and labels in folders of the same names, data.yaml).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from medaug.audit.record import Record
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from medaug.manifests.coco import labelled_slices
from medaug.manifests.rendering import Show, bytes_of, write_png

HEAD = """# {what} for training, made by medaug. For validation, put real images of other patients into
# images/val and labels/val: an image that medaug made shows its source's patient and must not judge a model.
"""


def write_yolo(folder: Path, record: Record, volume: Volume, show: Show, labels: Sequence[str]) -> int:
    """Add the labelled slices of a unit; 8 bits at the profile's window, bright is high.

    Args:
        folder: of the data set.
        record: of the unit.
        volume: its image as written.
        show: the window.
        labels: the classes, numbered from 0 in this order.

    Returns:
        How many images were added.
    """
    _, rows, columns = volume.geometry.shape
    images, texts = folder / "images" / "train", folder / "labels" / "train"
    for part in (images, texts, folder / "images" / "val", folder / "labels" / "val"):
        part.mkdir(parents=True, exist_ok=True)
    slices = labelled_slices(record.boxes)
    window = show(volume)
    for k in slices:
        name = f"{record.unit[:16]}-{k:04d}"
        write_png(bytes_of(volume, window, k), images / f"{name}.png")
        here = [box for box in record.boxes if box.start[0] <= k < box.stop[0]]
        (texts / f"{name}.txt").write_text(yolo_lines(here, labels, rows, columns), encoding="utf-8")
    return len(slices)


def yolo_lines(boxes: Iterable[Box], labels: Sequence[str], rows: int, columns: int) -> str:
    """The boxes of one picture, a line each: class, centre and sides as shares of its width and height."""
    lines = []
    for box in boxes:
        (_, top, left), (_, bottom, right) = box.start, box.stop
        centre = (left + right) / 2 / columns, (top + bottom) / 2 / rows
        sides = (right - left) / columns, (bottom - top) / rows
        # eight decimals: of 60,000 px less than a thousandth of a pixel
        lines.append(" ".join((str(labels.index(box.label)), *(f"{n:.8f}" for n in (*centre, *sides)))))
    return "".join(f"{line}\n" for line in lines)


def write_yolo_index(folder: Path, labels: Sequence[str], *, generated: bool = True) -> None:
    """data.yaml: where the images lie and what the numbers mean. Names are spelt as JSON, which is YAML.

    Args:
        folder: of the data set.
        labels: in the order of their numbers.
        generated: False where it holds classic copies.
    """
    head = HEAD.format(what="Synthetic images" if generated else "Classic copies")
    names = "".join(f"  {number}: {json.dumps(label)}\n" for number, label in enumerate(labels))
    text = f"{head}path: .\ntrain: images/train\nval: images/val\nnames:\n{names}"
    (folder / "data.yaml").write_text(text, encoding="utf-8")
