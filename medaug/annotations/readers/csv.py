"""CSV tables: one row per box, with the column names that public data sets use."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from medaug.annotations.matching.by_name import place
from medaug.annotations.model import Entry, Images, Placed, Rectangle
from medaug.annotations.parsing import corners, number, read_text, text, whole
from medaug.annotations.reader_consensus import UNION, Reading, settled
from medaug.errors import AnnotationError

# Meaning → column names, best first, as they stand in the header in lower case. RSNA has patientId and Target, VinDr
# has image_id and class_name, NIH writes its header so that "Bbox [x,y,w,h]" falls apart into four columns.
COLUMNS: dict[str, tuple[str, ...]] = {
    "uid": ("sop_instance_uid", "sopinstanceuid", "sop_uid"),
    "image": ("image", "file", "filename", "file_name", "image_id", "imageid", "patientid", "image index"),
    "label": ("label", "class_name", "class", "category", "finding label", "target"),
    "slice": ("slice",),
    "reader": ("rad_id", "reader", "reader_id", "annotator"),
    "x": ("x", "bbox [x"),
    "y": ("y",),
    "width": ("width", "w"),
    "height": ("height", "h", "h]"),
    "x_min": ("x_min", "xmin"),
    "y_min": ("y_min", "ymin"),
    "x_max": ("x_max", "xmax"),
    "y_max": ("y_max", "ymax"),
}
SIZED = ("x", "y", "width", "height")
CORNERED = ("x_min", "y_min", "x_max", "y_max")


def read(path: Path, images: Images) -> Placed:
    """Boxes of one table, in continuous pixels from 0; x runs along columns.

    A row whose coordinates are all empty says that nothing was found. Where several readers drew on one image, those
    that ``images.readers`` says count (`agreement.settled`). The separator is what the header uses: comma,
    semicolon or tab.

    Raises:
        AnnotationError: a column is missing, or a row is malformed.
    """
    return place(settled(_readings(read_text(path, "CSV file"), images.readers), images.readers), images)


def _readings(content: str, readers: str) -> Iterator[Reading]:
    header = content.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    try:
        columns = _columns(next(rows, []))
        if readers != UNION and "reader" not in columns:
            raise AnnotationError("line 1: expected a column of readers (rad_id), found none; leave --readers out")
        for row in rows:
            if any(cell.strip() for cell in row):
                where = f"line {rows.line_num}"
                yield Reading(_reader(row, columns, readers, where), _entry(row, columns, where))
    except csv.Error:
        raise AnnotationError(f"line {rows.line_num}: expected CSV; check quotes and line ends") from None


def _columns(header: list[str]) -> dict[str, int]:
    """Meaning → position."""
    present = {name.strip().casefold(): n for n, name in reversed(list(enumerate(header)))}
    found = {}
    for meaning, names in COLUMNS.items():
        known = [present[name] for name in names if name in present]
        if known:
            found[meaning] = known[0]
    if not (found.keys() & {"uid", "image"} and "label" in found and (_has(found, SIZED) or _has(found, CORNERED))):
        raise AnnotationError(
            "line 1: expected sop_instance_uid or image, label, and x, y, width, height or x_min, y_min, x_max, y_max; "
            f"found {', '.join(found) or 'none of them'}"
        )
    return found


def _has(found: dict[str, int], names: tuple[str, ...]) -> bool:
    return all(name in found for name in names)


def _reader(row: list[str], columns: dict[str, int], readers: str, where: str) -> str:
    position = columns.get("reader", len(row))
    found = row[position].strip() if position < len(row) else ""
    if readers != UNION and not found:
        raise AnnotationError(f"{where}: expected the reader, found an empty cell")
    return found


def _entry(row: list[str], columns: dict[str, int], where: str) -> Entry:
    def cell(meaning: str) -> str:
        position = columns.get(meaning, len(row))
        return row[position].strip() if position < len(row) else ""

    uid, name = cell("uid"), cell("image")
    if not (uid or name):
        raise AnnotationError(f"{where}: expected the image's sop_instance_uid or name, found neither")
    k = whole(cell("slice"), where, "slice") if cell("slice") else None
    kind = CORNERED if _has(columns, CORNERED) else SIZED
    cells = [cell(meaning) for meaning in kind]
    if not any(cells):
        return Entry((), uid, name, slice=k)
    a, b, c, d = (number(value, where, meaning) for value, meaning in zip(cells, kind, strict=True))
    high = (c, d) if kind is CORNERED else (a + c, b + d)
    low, high = corners((a, b), high, where)
    return Entry((Rectangle(low, high, text(cell("label"), where, "label"), where),), uid, name, slice=k)
