"""COCO JSON: [x, y, w, h], 0-based and continuous; polygons or run-lengths where a box is missing."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from medaug.annotations.matching.by_name import FIRST_PIXEL, match_by_name
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import corners, get, number, parsed, text, whole
from medaug.annotations.readers.coco_rle import span
from medaug.annotations.shapes import around, turned_about_centre
from medaug.errors import AnnotationError

Corners = tuple[tuple[float, float], tuple[float, float]]
ANGLES = frozenset({"rotation", "rotate", "angle", "theta"})  # keys, in lower case
OFF_PX, OFF = 2.0, 0.05  # px, and of its size: how far a box may differ from its own outline, as rounded ones do


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one COCO file.

    An image is named by ``sop_instance_uid`` or by ``file_name``; ``slice`` (0-based) is needed where that file
    holds several slices. A stated width and height above 0 must be the image's. A box is turned by
    ``attributes.rotation``, clockwise about its centre, as CVAT means it; an angle that stands elsewhere withholds. It
    must agree with the outline and the area stated beside it, and holds all of the outline.

    An annotation that can't be used withholds its image.

    Raises:
        AnnotationError: not COCO, an image is malformed, or an annotation doesn't say which image it means.
    """
    return match_by_name(_entries(_parsed(path)), images)


def _parsed(path: Path) -> dict[str, list[Any]]:
    content = parsed(path, "COCO file")
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in keys):
        raise AnnotationError(f"COCO file: expected an object with the lists {', '.join(keys)}")
    return content


def _entries(content: dict[str, list[Any]]) -> list[Entry]:
    names: dict[str, set[str]] = defaultdict(set)
    for n, category in enumerate(content["categories"]):
        where = f"category {n}"
        names[_identifier(category, "id", where)].add(text(get(category, "name", where), where, "name"))
    images: dict[str, tuple[str, Any]] = {}
    for n, image in enumerate(content["images"]):
        where = f"image {n}"
        identifier = _identifier(image, "id", where)
        if identifier in images:
            raise AnnotationError(f"{where}: expected an id of its own, found one twice")
        images[identifier] = (where, image)
    drawn: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for n, annotation in enumerate(content["annotations"]):
        where = f"annotation {n}"
        image_id = _identifier(annotation, "image_id", where)
        if image_id not in images:
            raise AnnotationError(f"{where}: expected the id of an image that the file lists")
        drawn[image_id].append((where, annotation))
    return [_entry(image, where, drawn[n], names) for n, (where, image) in images.items()]


def _identifier(entry: object, key: str, where: str) -> str:
    """A whole number, or text, as some tools write ids; messages don't repeat it."""
    value = get(entry, key, where)
    return value.strip() if isinstance(value, str) and value.strip() else str(whole(value, where, key))


def _entry(image: dict[str, Any], where: str, drawn: list[tuple[str, Any]], names: dict[str, set[str]]) -> Entry:
    uid, name = (str(image.get(key) or "") for key in ("sop_instance_uid", "file_name"))
    if not (uid or name):
        raise AnnotationError(f"{where}: expected file_name or sop_instance_uid, found neither")
    sides = [image.get(side) for side in ("width", "height")]
    stated = [None if side is None else whole(side, where, "width and height") for side in sides]
    size = (stated[0], stated[1]) if all(side is not None and side > 0 for side in stated) else None
    k = None if image.get("slice") is None else whole(image["slice"], where, "slice")
    rectangles, faults = sound(drawn, partial(_rectangle, names=names))
    return Entry(rectangles, uid, name, size, k, faults)  # type: ignore[arg-type]  # both sides are numbers here


def _rectangle(one: tuple[str, dict[str, Any]], names: dict[str, set[str]]) -> Rectangle:
    where, annotation = one
    called = names.get(_identifier(annotation, "category_id", where), set())
    if len(called) != 1:
        found = f"{len(called)} names" if called else "none"
        raise AnnotationError(f"{where}: expected one category of that id among the file's, found {found}")
    low, high = _corners(annotation, where)
    identifier = annotation.get("id")
    number_of_it = str(identifier) if isinstance(identifier, int) or str(identifier).isdecimal() else ""
    return Rectangle(low, high, next(iter(called)), where, number_of_it)


def _corners(annotation: dict[str, Any], where: str) -> Corners:
    """Of the box, turned as stated, that holds the outline too; of the outline where there is no box."""
    box, drawn = annotation.get("bbox"), annotation.get("segmentation")
    if not box:
        return _around(drawn, where)
    if not isinstance(box, list) or len(box) != 4:
        raise AnnotationError(f"{where}: expected bbox as a list [x, y, width, height]")
    x, y, width, height = (number(n, where, "bbox") for n in box)
    low, high = corners((x, y), (x + width, y + height), where)
    _refuse_other_area(annotation.get("area"), (x, y, width, height), where)
    if angle := _angle(annotation, where):
        low, high = around(turned_about_centre(low, high, angle), where)
    outlined = isinstance(drawn, dict) or _are_polygons(drawn)  # what else stands there says nothing beside a box
    return _with_outline((low, high), _around(drawn, where), where) if outlined else (low, high)


def _angle(annotation: dict[str, Any], where: str) -> float:
    """Degrees by which a box is turned clockwise about its centre."""
    attributes = annotation.get("attributes")
    known = attributes if isinstance(attributes, dict) else {}
    angles = [(one, key) for one in (annotation, known) for key in one if str(key).casefold() in ANGLES]
    for one, key in angles:
        if (one is not known or key != "rotation") and number(one[key] or 0, where, str(key).casefold()):
            raise AnnotationError(
                f"{where}: expected an upright box, found a turned one, about which point isn't known"
            )
    return number(known.get("rotation") or 0, where, "rotation")


def _refuse_other_area(area: object, box: tuple[float, float, float, float], where: str) -> None:
    """An outline's area is at most its box's; one that is that of the box between two corners says what they are."""
    x, y, width, height = box
    if area is None or max(x + width, y + height) <= FIRST_PIXEL:  # shares of the image, which `place` tells
        return
    stated = number(area, where, "area")
    as_corners = (width - x) * (height - y) if width > x and height > y else -1.0
    cornered = stated > 0 and abs(stated - as_corners) <= 0.01 * stated and as_corners < 0.99 * width * height
    if cornered or stated > (width + OFF_PX) * (height + OFF_PX):
        found = f"{stated:g} beside a bbox of {width:g} × {height:g}"
        raise AnnotationError(f"{where}: expected an area that fits its bbox [x, y, width, height], found {found}")


def _with_outline(box: Corners, outline: Corners, where: str) -> Corners:
    """The box around both, where they are the same but for rounding."""
    (low, high), (inner_low, inner_high) = box, outline
    off = max(abs(a - b) for a, b in zip((*low, *high), (*inner_low, *inner_high), strict=True))
    size = max(inner_high[0] - inner_low[0], inner_high[1] - inner_low[1])
    if off > max(OFF_PX, OFF * size):
        raise AnnotationError(f"{where}: expected bbox around its segmentation, found edges {off:g} px apart")
    return (min(low[0], inner_low[0]), min(low[1], inner_low[1])), (
        max(high[0], inner_high[0]),
        max(high[1], inner_high[1]),
    )


def _around(drawn: object, where: str) -> Corners:
    """The corners of the rectangle around the polygons [x, y, x, y, …] or the run-lengths of one annotation."""
    if isinstance(drawn, dict):
        return span(drawn, where)
    if not _are_polygons(drawn):
        raise AnnotationError(
            f"{where}: expected bbox, or segmentation as polygons of 3 or more points or as run-lengths"
        )
    xs, ys = ([number(n, where, "segmentation") for p in drawn for n in p[axis::2]] for axis in (0, 1))  # type: ignore[attr-defined]
    return corners((min(xs), min(ys)), (max(xs), max(ys)), where)


def _are_polygons(drawn: object) -> bool:
    return isinstance(drawn, list) and bool(drawn) and all(_is_polygon(polygon) for polygon in drawn)


def _is_polygon(polygon: object) -> bool:
    return isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
