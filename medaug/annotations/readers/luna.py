"""LUNA16's table: nodules as a centre in LPS mm and a diameter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from medaug.annotations.matching.by_position import Figure, match_by_position
from medaug.annotations.model import Images, Note, ReaderResult, joined, withheld
from medaug.annotations.parsing import number, read_text, stem, text
from medaug.errors import AnnotationError

COLUMNS = ("seriesuid", "coordx", "coordy", "coordz", "diameter_mm")


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one table: ``seriesuid, coordX, coordY, coordZ, diameter_mm``, and ``label`` where there is one.

    The series is a Series Instance UID, or the name of a NIfTI. A ball's box holds the cube around it, all eight
    corners mapped. Without a label a row is a "nodule". A malformed row withholds its series.

    Raises:
        AnnotationError: a column is missing.
    """
    series: dict[str, list[int]] = {}
    for n, volume in enumerate(images.volumes):
        names = {volume.source.series_uid.casefold()}
        names |= {stem(volume.source.files[0].name)} if volume.source.format in {"nifti", "nrrd"} else set()
        for name in names:
            series.setdefault(name, []).append(n)
    return joined(tuple(_placed(row, images, series) for row in _rows(path)))


@dataclass(frozen=True)
class LunaRow:
    """The series that a row names, and its cells."""

    uid: str
    cells: dict[str, str]
    where: str


def _placed(row: LunaRow, images: Images, series: dict[str, list[int]]) -> ReaderResult:
    uid = row.uid
    meant = [images.volumes[n] for n in series.get(stem(uid), series.get(uid.casefold(), []))]
    if not meant:
        return ReaderResult(notes=(Note(images.missing(uid), row.where),))
    if len({v.source.series_uid for v in meant}) > 1:
        return withheld(meant, "several-images", row.where)
    try:
        return match_by_position([_figure(row)], meant)
    except AnnotationError as error:
        return withheld(meant, "bad-entry", str(error))


def _figure(row: LunaRow) -> Figure:
    x, y, z, diameter = (number(row.cells[name], row.where, name) for name in COLUMNS[1:])
    if diameter <= 0:
        raise AnnotationError(f"{row.where}: expected a diameter above 0 mm, found {diameter:g}")
    cube = np.array(list(product((-0.5, 0.5), repeat=3))) * diameter + [x, y, z]
    return Figure("POLYGON", cube, text(row.cells.get("label") or "nodule", row.where, "label"), row.where)


def _rows(path: Path) -> Iterator[LunaRow]:
    rows = csv.DictReader(io.StringIO(read_text(path, "CSV file"), newline=""), strict=True)
    rows.fieldnames = [name.strip().casefold() for name in rows.fieldnames or ()]
    if not set(COLUMNS) <= set(rows.fieldnames):
        raise AnnotationError(f"line 1: expected the columns {', '.join(COLUMNS)}")
    try:
        for row in rows:
            yield LunaRow((row["seriesuid"] or "").strip(), row, f"line {rows.line_num}")
    except csv.Error:
        raise AnnotationError(f"line {rows.line_num}: expected CSV; check quotes and line ends") from None
