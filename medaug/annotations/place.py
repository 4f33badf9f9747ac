"""Rectangles on named images → boxes on volumes: by SOP Instance UID first, by file name second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from medaug.annotations.files import base_name, stem
from medaug.annotations.values import Entry, Note, Placed, Rectangle
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.volume import Volume

# A number written with four decimals is known to ±0.00005 of the width. An edge that lies within that of a whole pixel
# is that pixel, and would otherwise grow the box by one. Beyond a twentieth of a pixel, outward is the only safe way.
MAX_SLACK_PX = 0.05

Place = tuple[int, int]  # (volume's position in the list, slice k)


@dataclass(frozen=True, eq=False)
class Index:
    """Which slices carry an identifier: a SOP Instance UID, a file name, a name without suffix, in this order."""

    volumes: Sequence[Volume]
    tables: tuple[dict[str, list[Place]], ...]

    @classmethod
    def of(cls, volumes: Sequence[Volume]) -> Index:
        """Index every slice of every volume."""
        uids, names, stems = defaultdict(list), defaultdict(list), defaultdict(list)
        for v, volume in enumerate(volumes):
            for k, (uid, file) in enumerate(zip(volume.source.instance_uids, volume.source.files, strict=True)):
                uids[uid.casefold()].append((v, k))
                names[base_name(file.name)].append((v, k))
                stems[stem(file.name)].append((v, k))
        return cls(volumes, (dict(uids), dict(names), dict(stems)))

    def find(self, entry: Entry) -> list[Place]:
        """Every slice that an entry may mean; the first identifier that is known decides."""
        uids, names, stems = self.tables
        if entry.uid:
            return uids.get(entry.uid.casefold(), [])
        bare = stem(entry.name)
        return uids.get(bare) or names.get(base_name(entry.name)) or stems.get(bare, [])


def place(entries: Iterable[Entry], volumes: Sequence[Volume]) -> Placed:
    """Put rectangles on the slices that their image names.

    A rectangle that may lie on a volume but can't be placed makes that volume ``unsure``: it has a lesion nobody can
    protect. A rectangle wholly outside its image protects nothing and only gets a note.

    Args:
        entries: in file order.
        volumes: everything that may be meant.
    """
    index = Index.of(volumes)
    boxes: list[tuple[str, Box]] = []
    named: set[str] = set()
    unsure: set[str] = set()
    notes: list[Note] = []
    for entry in entries:
        places = index.find(entry)
        code, spot = _spot(entry, places, volumes)
        keys = {volumes[v].source.key for v, _ in places}
        if spot is None:
            notes += [Note(code, rectangle.where) for rectangle in entry.rectangles]
            unsure |= keys if entry.rectangles else set()
            continue
        volume = volumes[spot[0]]
        named |= keys
        for rectangle, box in _boxes(entry, volume, spot[1]):
            if box is None:
                notes.append(Note("outside", rectangle.where))
            else:
                boxes.append((volume.source.key, box))
    return Placed(tuple(boxes), frozenset(named), frozenset(unsure), tuple(notes))


def _spot(entry: Entry, places: list[Place], volumes: Sequence[Volume]) -> tuple[str, Place | None]:
    """The one slice that is meant, or the code of why there is none."""
    if not places:
        return "no-image", None
    if len({v for v, _ in places}) > 1:
        return "several-images", None
    spot = places[0]
    if len(places) > 1:
        stated = [p for p in places if p[1] == entry.slice]
        if not stated:
            return "slice-not-stated", None
        spot = stated[0]
    _, rows, columns = volumes[spot[0]].geometry.shape
    if entry.size is not None and entry.size != (columns, rows):
        return "size-differs", None
    return "", spot


def _boxes(entry: Entry, volume: Volume, k: int) -> Iterator[tuple[Rectangle, Box | None]]:
    _, rows, columns = volume.geometry.shape
    for rectangle in entry.rectangles:
        x0, x1 = (_pixels(rectangle, corner[0], columns) for corner in (rectangle.low, rectangle.high))
        y0, y1 = (_pixels(rectangle, corner[1], rows) for corner in (rectangle.low, rectangle.high))
        box = enclosing((k, y0, x0), (k + 1, y1, x1), volume.geometry.shape, rectangle.label, rectangle.id)
        yield rectangle, box


def _pixels(rectangle: Rectangle, edge: float, size: int) -> float:
    scale = size if rectangle.shares else 1
    nearest = round(edge * scale)
    close = abs(edge * scale - nearest) <= min(rectangle.slack * scale, MAX_SLACK_PX)
    return float(nearest) if close else edge * scale
