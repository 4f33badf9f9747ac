"""COCO JSON: [x, y, w, h], 0-based and continuous; polygons or run-lengths where a box is missing."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from medaug.annotations.matching.by_name import place
from medaug.annotations.model import Entry, Images, Placed, Rectangle
from medaug.annotations.parsing import corners, get, number, parsed, text, whole
from medaug.annotations.readers.coco_rle import span
from medaug.errors import AnnotationError


def read(path: Path, images: Images) -> Placed:
    """Boxes of one COCO file.

    An image is named by ``sop_instance_uid`` or by ``file_name``; ``slice`` (0-based) is needed where that file
    holds several slices. A stated width and height must be the image's.

    Raises:
        AnnotationError: not COCO, or an entry is malformed.
    """
    return place(_entries(_parsed(path)), images)


def _parsed(path: Path) -> dict[str, list[Any]]:
    content = parsed(path, "COCO file")
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        raise AnnotationError(f"COCO file: expected an object with the lists {', '.join(keys)}")
    return content


def _entries(content: dict[str, list[Any]]) -> list[Entry]:
    names = {}
    for n, category in enumerate(content["categories"]):
        where = f"category {n}"
        names[whole(get(category, "id", where), where, "id")] = text(get(category, "name", where), where, "name")
    images = {}
    for n, image in enumerate(content["images"]):
        where = f"image {n}"
        identifier = whole(get(image, "id", where), where, "id")
        if identifier in images:
            raise AnnotationError(f"{where}: expected an id of its own, found {identifier} twice")
        images[identifier] = (where, image)
    drawn: dict[int, list[Rectangle]] = defaultdict(list)
    for n, annotation in enumerate(content["annotations"]):
        where = f"annotation {n}"
        image_id = whole(get(annotation, "image_id", where), where, "image_id")
        category_id = whole(get(annotation, "category_id", where), where, "category_id")
        if image_id not in images or category_id not in names:
            raise AnnotationError(f"{where}: expected the ids of an image and a category that the file lists")
        drawn[image_id].append(_rectangle(annotation, names[category_id], where))
    return [_entry(image, where, tuple(drawn[n])) for n, (where, image) in images.items()]


def _entry(image: dict[str, Any], where: str, rectangles: tuple[Rectangle, ...]) -> Entry:
    uid, name = (str(image.get(key) or "") for key in ("sop_instance_uid", "file_name"))
    if not (uid or name):
        raise AnnotationError(f"{where}: expected file_name or sop_instance_uid, found neither")
    size = None
    if image.get("width") is not None and image.get("height") is not None:
        size = (whole(image["width"], where, "width"), whole(image["height"], where, "height"))
    k = None if image.get("slice") is None else whole(image["slice"], where, "slice")
    return Entry(rectangles, uid, name, size, k)


def _rectangle(annotation: dict[str, Any], label: str, where: str) -> Rectangle:
    box = annotation.get("bbox")
    if box is not None:
        if not isinstance(box, list) or len(box) != 4:
            raise AnnotationError(f"{where}: expected bbox as a list [x, y, width, height]")
        x, y, width, height = (number(n, where, "bbox") for n in box)
        low, high = corners((x, y), (x + width, y + height), where)
    else:
        low, high = _around(annotation.get("segmentation"), where)
    identifier = annotation.get("id")
    return Rectangle(low, high, label, where, "" if identifier is None else str(whole(identifier, where, "id")))


def _around(drawn: object, where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners of the rectangle around the polygons [x, y, x, y, …] or the run-lengths of one annotation."""
    if isinstance(drawn, dict):
        return span(drawn, where)
    valid = isinstance(drawn, list) and drawn
    if not valid or any(not isinstance(p, list) or len(p) < 6 or len(p) % 2 for p in drawn):  # type: ignore[attr-defined]
        raise AnnotationError(
            f"{where}: expected bbox, or segmentation as polygons of 3 or more points or as run-lengths"
        )
    xs, ys = ([number(n, where, "segmentation") for p in drawn for n in p[axis::2]] for axis in (0, 1))  # type: ignore[attr-defined]
    return corners((min(xs), min(ys)), (max(xs), max(ys)), where)
