"""Label Studio JSON: shapes in percent of the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import corners, get, listed, number, numbers, parsed, text, whole
from medaug.annotations.shapes import around, turned
from medaug.errors import AnnotationError

UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts this before the name of an uploaded file
NO_SHAPES = frozenset({"choices", "textarea", "rating", "number", "taxonomy", "datetime", "pairwise"})

Point = tuple[float, float]


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one export in Label Studio's own JSON; all annotators' shapes count, cancelled annotations don't.

    Rectangles may be turned, about their upper left corner; ellipses and polygons become the box around them. A shape
    that is malformed or of another kind (brush) withholds its image.

    Raises:
        AnnotationError: not Label Studio's, or a task doesn't say which image it means.
    """
    content = parsed(path, "Label Studio file")
    if not isinstance(content, list):
        raise AnnotationError("Label Studio file: expected a list of tasks; export it as JSON, not JSON-MIN")
    return match_by_name(_entries(content), images)


def _entries(tasks: list[Any]) -> Iterator[Entry]:
    for n, task in enumerate(tasks):
        where = f"task {n}"
        data = get(task, "data", where)
        if not isinstance(data, dict):
            raise AnnotationError(f"{where}: expected an object for 'data'")
        annotations = listed(task, "annotations", where)
        kept = [a for a in annotations if not (isinstance(a, dict) and a.get("was_cancelled"))]
        items = [(f"{where}, result {m}", item) for a in kept for m, item in enumerate(listed(a, "result", where))]
        found, faults = sound(items, _shape)
        shapes = [shape for shape in found if shape]
        sizes = {size for _, size in shapes}
        if len(sizes) > 1:
            faults = (*faults, f"{where}: expected one original size, found {len(sizes)}")
        size = sizes.pop() if len(sizes) == 1 else None
        yield Entry(tuple(rectangle for rectangle, _ in shapes), name=_name(data, where), size=size, faults=faults)


def _name(data: dict[str, Any], where: str) -> str:
    """The image's name and folders: of a path, an address, or one of local storage (``/data/local-files/?d=…``)."""
    stated = data.get("image") or next((v for v in data.values() if isinstance(v, str) and "/" in v), "")
    address, _, query = str(stated).partition("?")
    local = [value for key, _, value in (part.partition("=") for part in query.split("&")) if key == "d" and value]
    path = unquote(local[0] if local else address).replace("\\", "/")
    folder, _, name = path.rpartition("/")
    if not name:
        raise AnnotationError(f"{where}: expected the image's address in data")
    uploaded = "/upload/" in f"{folder}/"
    return UPLOAD.sub("", name) if uploaded else f"{folder}/{name}".lstrip("/")


def _shape(one: tuple[str, Any]) -> tuple[Rectangle, tuple[int, int]] | None:
    where, item = one
    kind = get(item, "type", where)
    if kind in NO_SHAPES or item.get("type") == "relation":
        return None
    if item.get("image_rotation"):
        raise AnnotationError(f"{where}: expected an image as it is stored, found one turned for drawing; turn it back")
    value: Any = get(item, "value", where)
    columns, rows = (whole(get(item, f"original_{side}", where), where, side) for side in ("width", "height"))
    labels = value.get(kind) if isinstance(value, dict) else None
    if not isinstance(labels, list) or len(labels) != 1:
        raise AnnotationError(f"{where}: expected a rectangle, ellipse or polygon with one label, found something else")

    low, high = around(_points(value, str(kind), (columns, rows), where), where)
    return Rectangle(low, high, text(labels[0], where, "label"), where), (columns, rows)


def _points(value: dict[str, Any], kind: str, size: tuple[int, int], where: str) -> list[Point]:
    """Corners in pixels; an ellipse gives those of its box, turned with it."""
    if kind == "polygonlabels":
        found = [numbers(p, 2, where, "points") for p in listed(value, "points", where)]
        return [(x * size[0] / 100, y * size[1] / 100) for x, y in found]
    names = {"rectanglelabels": ("width", "height"), "ellipselabels": ("radiusX", "radiusY")}.get(kind)
    if names is None:
        raise AnnotationError(
            f"{where}: expected a rectangle, ellipse or polygon, found another shape; draw one around"
        )
    keys = ("x", "y", *names)
    x, y, w, h = (number(get(value, k, where), where, k) * size[n % 2] / 100 for n, k in enumerate(keys))
    low = (x, y) if kind == "rectanglelabels" else (x - w, y - h)
    corners((x, y), (x + w, y + h), where)
    return turned(low, (x + w, y + h), number(value.get("rotation") or 0, where, "rotation"), (x, y))
