"""LabelMe JSON: shapes in continuous pixels from 0, one file per image."""

from __future__ import annotations

from pathlib import Path

from medaug.annotations.matching.by_name import read_each
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import get, json_files, listed, numbers, parsed, text, whole
from medaug.annotations.shapes import around, extent
from medaug.errors import AnnotationError

KINDS = {"polygon": "POLYGON", "rectangle": "POLYGON", "rotation": "POLYGON", "circle": "CIRCLE",
         "linestrip": "POLYGON", "line": "POLYLINE"}  # fmt: skip


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one file, or of every ``.json`` below a folder. The image is ``imagePath``.

    A shape that is malformed or without extent withholds its image; a folder's file that isn't LabelMe's, see
    `read_each`.

    Raises:
        AnnotationError: a single file that isn't LabelMe's.
    """
    return read_each(json_files(path), path, images, "LabelMe file", _entry)


def _entry(file: Path, where: str) -> Entry:
    content = parsed(file, where)
    shapes = [(f"{where}, shape {m}", s) for m, s in enumerate(listed(content, "shapes", where))]
    drawn, faults = sound(shapes, _rectangle)
    assert isinstance(content, dict)
    name = content.get("imagePath")
    size = None
    if content.get("imageWidth") is not None and content.get("imageHeight") is not None:
        size = (whole(content["imageWidth"], where, "imageWidth"), whole(content["imageHeight"], where, "height"))
    name = _base(name) if isinstance(name, str) and name else file.stem
    return Entry(drawn, name=name, size=size, faults=faults)


def _base(name: str) -> str:
    """The last part of a path of either kind, as it is spelt."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _rectangle(one: tuple[str, object]) -> Rectangle:
    where, shape = one
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
