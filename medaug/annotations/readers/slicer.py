"""3D Slicer markups: regions of interest and closed curves in patient space, LPS or RAS as the file states."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.matching.by_position import Figure, match_by_position, share_patient_frame
from medaug.annotations.matching.label_map_names import ImageNames
from medaug.annotations.model import Images, Note, ReaderResult, joined, sound, withheld
from medaug.annotations.parsing import get, json_files, listed, numbers, parsed, text
from medaug.errors import AnnotationError
from medaug.imaging.geometry import Float64

SUFFIX = ".mrk.json"
TO_LPS = {"LPS": np.array([1.0, 1, 1]), "RAS": np.array([-1.0, -1, 1]), "0": np.array([-1.0, -1, 1]),
          "1": np.array([1.0, 1, 1])}  # fmt: skip
MAX_MARKUPS = 64 << 20  # bytes


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one ``.mrk.json``, or of every one below a folder.

    The file names no image: the NIfTI that it is named like is meant (``case7.mrk.json``, ``case7_roi.mrk.json``), or
    else all series given, when they are of one study and frame of reference. The label is the markup's ``name``, else
    "markup". Fiducial points have no extent. A markup of another kind, or without a coordinate system, withholds what
    is meant; so does a folder's file that can't be read.

    Raises:
        AnnotationError: a single file that isn't markups.
    """
    files = json_files(path, SUFFIX)
    names = ImageNames.of(images, ())
    return joined(tuple(_one(file, images, names, f"markups file {n}", path) for n, file in enumerate(files)))


def _one(path: Path, images: Images, names: ImageNames, where: str, root: Path) -> ReaderResult:
    name_match = names.match(path.with_name(path.name[: -len(SUFFIX)])).files
    meant = [v for v in images.volumes if not name_match or str(v.source.files[0]) in name_match]
    try:
        figures, faults = sound(_markups(parsed(path, where, MAX_MARKUPS), where), _figures)
    except AnnotationError as error:
        if path == root:
            raise
        return withheld(meant, "bad-entry", str(error))
    if not meant:
        return ReaderResult(notes=(Note("left-out" if name_match else "no-image", where),))
    if len({str(Path(file).parent) for file in name_match}) > 1 or (not name_match and not share_patient_frame(meant)):
        return withheld(meant, "several-images", where)
    parts = [withheld(meant, "bad-entry", fault) for fault in faults]
    return joined((match_by_position(chain.from_iterable(figures), meant), *parts))


def _markups(content: object, where: str) -> Iterator[tuple[str, object, str]]:
    for n, markup in enumerate(listed(content, "markups", where)):
        yield f"{where}, markup {n}", markup, str(n)


def _figures(one: tuple[str, object, str]) -> list[Figure]:
    where, markup, number = one
    kind = get(markup, "type", where)
    assert isinstance(markup, dict)
    sign = TO_LPS.get(str(markup.get("coordinateSystem")))
    if sign is None or markup.get("coordinateUnits", "mm") != "mm":
        raise AnnotationError(f"{where}: expected coordinateSystem LPS or RAS in mm, found neither; save it again")
    label = text(markup.get("name") or "markup", where, "name")
    if kind == "ROI":
        return [Figure("POLYGON", _corners(markup, where) * sign, label, where, number)]
    if kind not in ("ClosedCurve", "Fiducial"):
        raise AnnotationError(f"{where}: expected an ROI, a ClosedCurve or a Fiducial, found another kind; draw an ROI")
    given = listed(markup, "controlPoints", where)
    points = [numbers(get(p, "position", where), 3, where, "position") for p in given]
    figures = [points] if kind == "ClosedCurve" else [[p] for p in points]
    shape = "INTERPOLATED" if kind == "ClosedCurve" else "POINT"
    return [Figure(shape, np.array(f) * sign, label, where, number) for f in figures if f]


def _corners(markup: dict[str, Any], where: str) -> Float64:
    """The eight corners of an ROI: its orientation's columns are its axes, stored row by row."""
    centre = np.array(numbers(markup.get("center"), 3, where, "center"))
    size = np.array(numbers(markup.get("size"), 3, where, "size"))
    axes = np.array(numbers(markup.get("orientation") or [1, 0, 0, 0, 1, 0, 0, 0, 1], 9, where, "orientation"))
    if not (size > 0).all():
        raise AnnotationError(f"{where}: expected a size above 0 mm along all axes")
    halves = np.array(list(product((-0.5, 0.5), repeat=3))) * size
    return np.asarray(centre + halves @ axes.reshape(3, 3).T)
