"""Figures in patient space → boxes on the volumes that they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from medaug.annotations.model import Note, ReaderResult
from medaug.annotations.shapes import extent, thickened
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, Code, Misfit, enclosing
from medaug.imaging.geometry import Float64
from medaug.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class Figure:
    """Something drawn in patient space.

    Attributes:
        kind: a graphic type, see `shapes.extent`.
        points: (N, 3) in LPS mm.
        label: the class by name.
        where: where in the file it stands.
        id: the annotation's own number, where it has one.
        code: the label's coded meaning, where one is stated.
    """

    kind: str
    points: Float64
    label: str
    where: str
    id: str = ""
    code: Code | None = None


def box_of(figure: Figure, volume: Volume, *, cut: bool = False) -> Box | Misfit:
    """The voxels that a figure passes through or holds.

    All points are mapped before the box is taken, so that no orientation cuts a corner off. Along the slices a figure
    is cut: a series may be one slice, or end before what was drawn on a longer one. In the plane nobody draws far
    beyond an image.

    Args:
        figure: in patient space.
        volume: likewise.
        cut: take what lies on the volume of a figure that reaches far beyond it in the plane, too.
    """
    edges = volume.geometry.to_index(figure.points) + 0.5  # centres at integers → edges
    found = extent(figure.kind, edges, figure.where)
    if found is None:
        return "outside"
    low, high = thickened(*found)
    limit = volume.geometry.shape
    axes = 3 if cut else 1
    low[:axes], high[:axes] = np.maximum(low[:axes], 0), np.minimum(high[:axes], limit[:axes])
    return enclosing(low.tolist(), high.tolist(), limit, figure.label, figure.id, figure.code)


def match_by_position(figures: Iterable[Figure], volumes: Sequence[Volume]) -> ReaderResult:
    """Every figure onto every one of these volumes, which are all meant.

    A figure without extent withholds them all: its lesion is somewhere around, and nobody knows how far. So does one
    that lies on none of them, or reaches far beyond each. What one of them holds is cut at the others.
    """
    boxes: list[tuple[str, Box]] = []
    notes: list[Note] = []
    keys = frozenset(volume.source.key for volume in volumes)
    unsure: set[str] = set()
    if not volumes:
        return ReaderResult(notes=tuple(Note("no-image", figure.where) for figure in figures))
    flat = [volume for volume in volumes if volume.geometry.space != "patient"]
    solid = [volume for volume in volumes if volume.geometry.space == "patient"]
    for figure in figures:
        if figure.kind == "POINT" or len(figure.points) == 1:
            notes.append(Note("no-extent", figure.where))
            unsure |= keys
            continue
        unsure |= {volume.source.key for volume in flat}
        notes += [Note("grid-differs", figure.where)] * bool(flat)
        try:
            found = [box_of(figure, volume) for volume in solid]
            if any(isinstance(box, Box) for box in found):
                found = [box_of(figure, volume, cut=True) for volume in solid]
        except AnnotationError as error:
            notes.append(Note("bad-entry", str(error)))
            unsure |= keys
            continue
        placed = [(v.source.key, box) for v, box in zip(solid, found, strict=True) if isinstance(box, Box)]
        if solid and not placed:  # it is drawn on one of them, in another frame than it says
            notes.append(Note("beyond" if "beyond" in found else "outside", figure.where))
            unsure |= keys
        boxes += placed
    return ReaderResult(tuple(boxes), keys, frozenset(unsure), tuple(notes))


def share_patient_frame(volumes: Sequence[Volume]) -> bool:
    """Whether a mask on one of these grids is a mask on all: one series, or one study in one frame of reference."""
    first = volumes[0]
    frame = first.geometry.frame_of_reference_uid
    return all(
        v.source.series_uid == first.source.series_uid
        or (frame and v.source.study_uid == first.source.study_uid and v.geometry.frame_of_reference_uid == frame)
        for v in volumes
    )
