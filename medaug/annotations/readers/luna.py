"""LUNA16's table: nodules as a centre in LPS mm and a diameter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from medaug.annotations.matching.by_position import Figure, put
from medaug.annotations.model import Images, Note, Placed, joined
from medaug.annotations.parsing import number, read_text, stem, text
from medaug.errors import AnnotationError

COLUMNS = ("seriesuid", "coordx", "coordy", "coordz", "diameter_mm")


def read(path: Path, images: Images) -> Placed:
    """Boxes of one table: ``seriesuid, coordX, coordY, coordZ, diameter_mm``, and ``label`` where there is one.

    The series is a Series Instance UID, or the name of a NIfTI. A ball's box holds the cube around it, all eight
    corners mapped. Without a label a row is a "nodule".

    Raises:
        AnnotationError: a column is missing, or a row is malformed.
    """
    series: dict[str, list[int]] = {}
    for n, volume in enumerate(images.volumes):
        names = {volume.source.series_uid.casefold()}
        names |= {stem(volume.source.files[0].name)} if volume.source.format in {"nifti", "nrrd"} else set()
        for name in names:
            series.setdefault(name, []).append(n)
    return joined(tuple(_placed(uid, figure, images, series) for uid, figure in _rows(path)))


def _placed(uid: str, figure: Figure, images: Images, series: dict[str, list[int]]) -> Placed:
    meant = [images.volumes[n] for n in series.get(stem(uid), series.get(uid.casefold(), []))]
    if not meant:
        return Placed(notes=(Note(images.missing(uid), figure.where),))
    if len({v.source.series_uid for v in meant}) > 1:
        keys = frozenset(v.source.key for v in meant)
        return Placed(unsure=keys, notes=(Note("several-images", figure.where),))
    return put([figure], meant)


def _rows(path: Path) -> Iterator[tuple[str, Figure]]:
    rows = csv.DictReader(io.StringIO(read_text(path, "CSV file"), newline=""), strict=True)
    rows.fieldnames = [name.strip().casefold() for name in rows.fieldnames or ()]
    if not set(COLUMNS) <= set(rows.fieldnames):
        raise AnnotationError(f"line 1: expected the columns {', '.join(COLUMNS)}")
    try:
        for row in rows:
            where = f"line {rows.line_num}"
            x, y, z, diameter = (number(row[name], where, name) for name in COLUMNS[1:])
            if diameter <= 0:
                raise AnnotationError(f"{where}: expected a diameter above 0 mm, found {diameter:g}")
            cube = np.array(list(product((-0.5, 0.5), repeat=3))) * diameter + [x, y, z]
            label = text(row.get("label") or "nodule", where, "label")
            yield (row["seriesuid"] or "").strip(), Figure("POLYGON", cube, label, where)
    except csv.Error:
        raise AnnotationError(f"line {rows.line_num}: expected CSV; check quotes and line ends") from None
