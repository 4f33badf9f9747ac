"""3D Slicer markups: regions of interest and closed curves in patient space, LPS or RAS as the file states."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.matching.by_position import Figure, put, together
from medaug.annotations.matching.label_map_names import Names
from medaug.annotations.model import Images, Note, Placed, joined
from medaug.annotations.parsing import get, json_files, listed, numbers, parsed, text
from medaug.errors import AnnotationError
from medaug.imaging.geometry import Float64

SUFFIX = ".mrk.json"
TO_LPS = {"LPS": np.array([1.0, 1, 1]), "RAS": np.array([-1.0, -1, 1]), "0": np.array([-1.0, -1, 1]),
          "1": np.array([1.0, 1, 1])}  # fmt: skip
MAX_MARKUPS = 64 << 20  # bytes


def read(path: Path, images: Images) -> Placed:
    """Boxes of one ``.mrk.json``, or of every one below a folder.

    The file names no image: the NIfTI that it is named like is meant (``case7.mrk.json``, ``case7_roi.mrk.json``), or
    else all series given, when they are of one study and frame of reference. The label is the markup's ``name``, else
    "markup". Fiducial points have no extent.

    Raises:
        AnnotationError: not markups, no stated coordinate system, or another kind of markup.
    """
    files = json_files(path, SUFFIX)
    names = Names.of(images, ())
    return joined(tuple(_one(file, images, names, f"markups file {n}") for n, file in enumerate(files)))


def _one(path: Path, images: Images, names: Names, where: str) -> Placed:
    figures = list(_figures(parsed(path, where, MAX_MARKUPS), where))
    alike = names.like(path.with_name(path.name[: -len(SUFFIX)])).files
    meant = [v for v in images.volumes if not alike or str(v.source.files[0]) in alike]
    keys = frozenset(v.source.key for v in meant)
    if not meant:
        return Placed(notes=(Note("left-out" if alike else "no-image", where),))
    if len({str(Path(file).parent) for file in alike}) > 1 or (not alike and not together(meant)):
        return Placed(unsure=keys, notes=(Note("several-images", where),))
    return put(figures, meant)


def _figures(content: object, where: str) -> Iterator[Figure]:
    for n, markup in enumerate(listed(content, "markups", where)):
        spot = f"{where}, markup {n}"
        kind = get(markup, "type", spot)
        assert isinstance(markup, dict)
        sign = TO_LPS.get(str(markup.get("coordinateSystem")))
        if sign is None or markup.get("coordinateUnits", "mm") != "mm":
            raise AnnotationError(f"{spot}: expected coordinateSystem LPS or RAS in mm, found neither; save it again")
        label = text(markup.get("name") or "markup", spot, "name")
        if kind == "ROI":
            yield Figure("POLYGON", _corners(markup, spot) * sign, label, spot, str(n))
        elif kind in ("ClosedCurve", "Fiducial"):
            points = [
                numbers(get(p, "position", spot), 3, spot, "position") for p in listed(markup, "controlPoints", spot)
            ]
            figures = [points] if kind == "ClosedCurve" else [[p] for p in points]
            shape = "INTERPOLATED" if kind == "ClosedCurve" else "POINT"
            yield from (Figure(shape, np.array(f) * sign, label, spot, str(n)) for f in figures if f)
        else:
            raise AnnotationError(
                f"{spot}: expected an ROI, a ClosedCurve or a Fiducial, found another kind; draw an ROI"
            )


def _corners(markup: dict[str, Any], where: str) -> Float64:
    """The eight corners of an ROI: its orientation's columns are its axes, stored row by row."""
    centre = np.array(numbers(markup.get("center"), 3, where, "center"))
    size = np.array(numbers(markup.get("size"), 3, where, "size"))
    axes = np.array(numbers(markup.get("orientation") or [1, 0, 0, 0, 1, 0, 0, 0, 1], 9, where, "orientation"))
    if not (size > 0).all():
        raise AnnotationError(f"{where}: expected a size above 0 mm along all axes")
    halves = np.array(list(product((-0.5, 0.5), repeat=3))) * size
    return np.asarray(centre + halves @ axes.reshape(3, 3).T)
