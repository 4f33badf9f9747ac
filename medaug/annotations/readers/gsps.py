"""Grayscale softcopy presentation states: the graphics that somebody drew on an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.dicom_objects import carriers, every, loaded
from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.model import Entry, Images, Note, ReaderResult, Rectangle, joined
from medaug.annotations.parsing import text
from medaug.annotations.shapes import extent, thickened
from medaug.errors import AnnotationError
from medaug.processes.quiet import quiet


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one presentation state, or of every one below a folder.

    Units PIXEL: (0, 0) is the corner of the first pixel (PS3.3 C.10.5.1.2). Graphics in units of the screen don't say
    what of the image they mark, and points not how far it reaches: both withhold the image. The label is the graphic
    layer's name in lower case.

    Raises:
        AnnotationError: not a readable presentation state.
    """
    return every(path, "gsps", "presentation state", images, _one)


def _one(path: Path, images: Images, where: str) -> ReaderResult:
    dataset = loaded(path, "gsps", where)
    try:
        with quiet():
            every = [
                str(i.ReferencedSOPInstanceUID)
                for s in dataset.get("ReferencedSeriesSequence") or []
                for i in s.get("ReferencedImageSequence") or []
            ]
            parts = tuple(_drawn(dataset, every, images, where))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise AnnotationError(f"{where}: its graphics are incomplete; export it again") from None
    return joined(parts or (ReaderResult(notes=(Note("nothing-drawn", where),)),))


def _drawn(dataset: Any, every: list[str], images: Images, where: str) -> Iterator[ReaderResult]:
    for n, item in enumerate(dataset.get("GraphicAnnotationSequence") or []):
        meant = [str(i.ReferencedSOPInstanceUID) for i in item.get("ReferencedImageSequence") or []] or every
        label = text(str(item.get("GraphicLayer") or "annotation"), where, "GraphicLayer").lower()
        for m, graphic in enumerate(item.get("GraphicObjectSequence") or []):
            yield from (_placed(graphic, uid, label, images, f"{where}, graphic {n}.{m}") for uid in meant)


def _placed(graphic: Any, uid: str, label: str, images: Images, where: str) -> ReaderResult:
    try:
        return _on_image(graphic, uid, label, images, where)
    except AnnotationError as error:
        return ReaderResult(unsure=carriers(uid, images.volumes), notes=(Note("bad-entry", str(error)),))


def _on_image(graphic: Any, uid: str, label: str, images: Images, where: str) -> ReaderResult:
    points = np.array([float(n) for n in graphic.GraphicData]).reshape(-1, 2)
    found = extent(str(graphic.GraphicType), points, where) if graphic.GraphicAnnotationUnits == "PIXEL" else None
    if found is None:
        keys = carriers(uid, images.volumes)
        return ReaderResult(unsure=keys, notes=(Note("no-extent" if keys else images.missing(uid), where),))
    low, high = (tuple(corner.tolist()) for corner in thickened(*found))
    return match_by_name([Entry((Rectangle((low[0], low[1]), (high[0], high[1]), label, where),), uid)], images)
