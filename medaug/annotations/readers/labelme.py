"""LabelMe JSON: shapes in continuous pixels from 0, one file per image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medaug.annotations.matching.by_name import place
from medaug.annotations.model import Entry, Images, Placed, Rectangle
from medaug.annotations.parsing import beside, get, json_files, listed, numbers, parsed, text, whole
from medaug.annotations.shapes import around, extent
from medaug.errors import AnnotationError

KINDS = {"polygon": "POLYGON", "rectangle": "POLYGON", "circle": "CIRCLE", "linestrip": "POLYGON", "line": "POLYLINE"}


def read(path: Path, images: Images) -> Placed:
    """Boxes of one file, or of every ``.json`` below a folder. The image is ``imagePath``.

    Raises:
        AnnotationError: not LabelMe, or a shape is malformed or without extent.
    """
    return place(_entries(json_files(path), path), images)


def _entries(files: list[Path], root: Path) -> Iterator[Entry]:
    for n, file in enumerate(files):
        where = f"LabelMe file {n}"
        content = parsed(file, where)
        shapes = [_rectangle(s, f"{where}, shape {m}") for m, s in enumerate(listed(content, "shapes", where))]
        assert isinstance(content, dict)
        name = content.get("imagePath")
        size = None
        if content.get("imageWidth") is not None and content.get("imageHeight") is not None:
            size = (whole(content["imageWidth"], where, "imageWidth"), whole(content["imageHeight"], where, "height"))
        name = name.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(name, str) and name else file.stem
        yield Entry(tuple(shapes), name=beside(file, name, root), size=size)


def _rectangle(shape: object, where: str) -> Rectangle:
    label = text(get(shape, "label", where), where, "label")
    assert isinstance(shape, dict)
    kind = KINDS.get(str(shape.get("shape_type") or "polygon"))
    if kind is None:
        raise AnnotationError(f"{where}: expected a {', '.join(KINDS)}, found another shape; draw one around it")
    points = [numbers(p, 2, where, "points") for p in listed(shape, "points", where)]
    found = extent(kind, points, where) if points else None
    if found is None:
        raise AnnotationError(f"{where}: expected 2 or more points; a point has no extent: draw a box")
    low, high = around([(float(a), float(b)) for a, b in found], where)
    return Rectangle(low, high, label, where)
