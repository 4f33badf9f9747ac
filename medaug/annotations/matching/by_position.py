"""Figures in patient space → boxes on the volumes that they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medaug.annotations.model import Note, Placed
from medaug.annotations.shapes import extent, thickened
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, Code, enclosing
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


def box_of(figure: Figure, volume: Volume) -> Box | None:
    """The voxels that a figure passes through or holds, cut at the volume; None when there are none.

    All points are mapped before the box is taken, so that no orientation cuts a corner off.
    """
    edges = volume.geometry.to_index(figure.points) + 0.5  # centres at integers → edges
    found = extent(figure.kind, edges, figure.where)
    if found is None:
        return None
    low, high = thickened(*found)
    limit = volume.geometry.shape
    return enclosing(low.tolist(), high.tolist(), limit, figure.label, figure.id, figure.code)


def match_by_position(figures: Iterable[Figure], volumes: Sequence[Volume]) -> Placed:
    """Every figure onto every one of these volumes, which are all meant.

    A figure without extent withholds them all: its lesion is somewhere around, and nobody knows how far. So does one
    that lies on none of them.
    """
    boxes: list[tuple[str, Box]] = []
    notes: list[Note] = []
    keys = frozenset(volume.source.key for volume in volumes)
    unsure: set[str] = set()
    if not volumes:
        return Placed(notes=tuple(Note("no-image", figure.where) for figure in figures))
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
            found = [(volume.source.key, box) for volume in solid if (box := box_of(figure, volume))]
        except AnnotationError as error:
            notes.append(Note("bad-entry", str(error)))
            unsure |= keys
            continue
        if solid and not found:  # it is drawn on one of them, in another frame than it says
            notes.append(Note("outside", figure.where))
            unsure |= keys
        boxes += found
    return Placed(tuple(boxes), keys, frozenset(unsure), tuple(notes))


def share_patient_frame(volumes: Sequence[Volume]) -> bool:
    """Whether a mask on one of these grids is a mask on all: one series, or one study in one frame of reference."""
    first = volumes[0]
    frame = first.geometry.frame_of_reference_uid
    return all(
        v.source.series_uid == first.source.series_uid
        or (frame and v.source.study_uid == first.source.study_uid and v.geometry.frame_of_reference_uid == frame)
        for v in volumes
    )
