"""CVAT for images 1.1: shapes in continuous pixels from 0."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import corners, number, read_text, text, whole
from medaug.annotations.readers.voc import tree
from medaug.annotations.shapes import around, turned_about_centre
from medaug.errors import AnnotationError

MAX_XML = 256 << 20  # bytes; one file holds a whole task
IGNORED = frozenset({"tag"})


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one export. The image is ``name``; turned boxes and ellipses become the box around them.

    A shape that is malformed, or of a kind without an outline, withholds its image.

    Raises:
        AnnotationError: not CVAT's, or a video.
    """
    return match_by_name(_entries(tree(read_text(path, "CVAT file", MAX_XML), "CVAT file", "annotations")), images)


def _entries(top: ET.Element) -> Iterator[Entry]:
    if top.find("track") is not None:
        raise AnnotationError("CVAT file: expected images, found the tracks of a video; export as 'CVAT for images'")
    for n, image in enumerate(top.iter("image")):
        where = f"image {n}"
        size = (whole(image.get("width"), where, "width"), whole(image.get("height"), where, "height"))
        shapes = [(f"{where}, shape {m}", s) for m, s in enumerate(image) if s.tag not in IGNORED]
        drawn, faults = sound(shapes, _rectangle)
        yield Entry(drawn, name=text(image.get("name"), where, "name", limit=4096), size=size, faults=faults)


def _rectangle(one: tuple[str, ET.Element]) -> Rectangle:
    where, shape = one

    def at(*names: str) -> list[float]:
        return [number(shape.get(name), where, name) for name in names]

    angle = number(shape.get("rotation") or "0", where, "rotation")
    if shape.tag == "box":
        x0, y0, x1, y1 = at("xtl", "ytl", "xbr", "ybr")
        points = turned_about_centre(*corners((x0, y0), (x1, y1), where), angle)
    elif shape.tag == "ellipse":
        cx, cy, rx, ry = at("cx", "cy", "rx", "ry")
        points = turned_about_centre(*corners((cx - rx, cy - ry), (cx + rx, cy + ry), where), angle)
    elif shape.tag in ("polygon", "polyline"):
        points = [_pair(pair, where) for pair in (shape.get("points") or "").split(";") if pair]
    else:
        raise AnnotationError(f"{where}: expected a box, polygon, polyline or ellipse, found another shape; draw one")
    low, high = around(points, where)
    return Rectangle(low, high, text(shape.get("label"), where, "label"), where)


def _pair(pair: str, where: str) -> tuple[float, float]:
    x, _, y = pair.partition(",")
    return number(x, where, "points"), number(y, where, "points")
