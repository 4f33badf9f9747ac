"""CSV tables: one row per box, with the column names that public data sets use."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
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
    "rotation": ("rotation", "angle", "theta"),
}
NOTHING = re.compile(r"(|0|no\b.*|none|normal|negative|healthy|nan)", re.IGNORECASE)  # labels of rows without a box
ABSENT = frozenset({"", "nan", "na", "n/a", "null", "none"})  # how tables write a cell without a value
OFF_PX = 1.0  # how far the two ways of stating one box may differ
SIZED = ("x", "y", "width", "height")
CORNERED = ("x_min", "y_min", "x_max", "y_max")


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one table, in continuous pixels from 0; x runs along columns.

    A row whose coordinates are all empty, or NaN, says that nothing was found, unless its label says what was. Where a
    table has columns for both corners and sizes, a row may fill either, and both must agree. A row that can't be used
    withholds its image. Where several readers drew on one image, those
    that ``images.readers`` says count (`agreement.settled`). The separator is what the header uses: comma,
    semicolon or tab.

    Raises:
        AnnotationError: a column is missing, or a row doesn't say which image it means.
    """
    return match_by_name(settled(_readings(read_text(path, "CSV file"), images.readers), images.readers), images)


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
    k = whole(cell("slice"), where, "slice") if cell("slice") not in ABSENT else None
    found, faults = sound([{meaning: cell(meaning) for meaning in COLUMNS}], partial(_rectangles, where=where))
    return Entry(found[0] if found else (), uid, name, slice=k, faults=faults)


def _rectangles(cells: dict[str, str], where: str) -> tuple[Rectangle, ...]:
    """The row's rectangle, or none where nothing was found."""
    ways = [kind for kind in (CORNERED, SIZED) if any(cells[name].casefold() not in ABSENT for name in kind)]
    if not ways:
        if not NOTHING.fullmatch(cells["label"]):
            raise AnnotationError(f"{where}: expected coordinates of what the label names, found none")
        return ()
    if cells["rotation"].casefold() not in ABSENT and number(cells["rotation"], where, "rotation"):
        raise AnnotationError(f"{where}: expected an upright box, found a turned one, about which point isn't known")
    found = [_corners([cells[name] for name in kind], kind, where) for kind in ways]
    off = max(abs(a - b) for a, b in zip((*found[0][0], *found[0][1]), (*found[-1][0], *found[-1][1]), strict=True))
    if off > OFF_PX:
        raise AnnotationError(f"{where}: expected one box, found corners and a size that differ by {off:g} px")
    low = (min(low[0] for low, _ in found), min(low[1] for low, _ in found))
    high = (max(high[0] for _, high in found), max(high[1] for _, high in found))
    return (Rectangle(low, high, text(cells["label"], where, "label"), where),)


def _corners(cells: list[str], kind: tuple[str, ...], where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    a, b, c, d = (number(value, where, meaning) for value, meaning in zip(cells, kind, strict=True))
    return corners((a, b), (c, d) if kind is CORNERED else (a + c, b + d), where)
