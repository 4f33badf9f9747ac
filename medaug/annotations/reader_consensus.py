"""Several readers of one image: all that they drew, what most of them drew, or what one of them drew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medaug.annotations.model import Entry, Rectangle
from medaug.errors import AnnotationError

UNION, MAJORITY = "union", "majority"
OVERLAP = 0.5  # intersection over union from which two readers' rectangles are of the same finding


@dataclass(frozen=True)
class Reading:
    """What one reader says of one image in one row: a rectangle, or none where nothing was found."""

    reader: str
    entry: Entry


def settled(readings: Iterable[Reading], readers: str) -> list[Entry]:
    """The entries that count.

    ``union``: all of them. A reader's name: those of that reader; an image that this reader didn't read is not looked
    at. ``majority``: on one image, rectangles with one label are of one finding when they overlap by an intersection
    over union of `OVERLAP` or more, directly or through others. A finding counts when more than half of the readers
    of that image (those with a row for it, empty ones too) drew it, and its rectangle holds all of theirs: a lesion is
    not cut where readers differ.

    Args:
        readings: in file order.
        readers: ``union``, ``majority`` or the name of a reader.

    Raises:
        AnnotationError: no reader of that name; the message doesn't repeat it.
    """
    every = list(readings)
    if readers == UNION:
        return [reading.entry for reading in every]
    if readers == MAJORITY:
        return _majority(every)
    found = [reading.entry for reading in every if reading.reader == readers]
    if not found:
        count = len({reading.reader for reading in every})
        raise AnnotationError(
            f"readers: expected union, majority or one of the {count} readers in the file, found none"
        )
    return found


def _majority(readings: Sequence[Reading]) -> list[Entry]:
    images: dict[tuple[str, str, int | None], list[Reading]] = defaultdict(list)
    for reading in readings:
        entry = reading.entry
        images[entry.uid, entry.name, entry.slice].append(reading)
    return [_agreed(rows) for rows in images.values()]


def _agreed(rows: Sequence[Reading]) -> Entry:
    """One image's findings by more than half of its readers."""
    readers = len({row.reader for row in rows})
    drawn = [(row.reader, rectangle) for row in rows for rectangle in row.entry.rectangles]
    findings = (group for label in sorted({r.label for _, r in drawn}) for group in _findings(drawn, label))
    kept = tuple(_around(group) for group in findings if 2 * len({reader for reader, _ in group}) > readers)
    faults = tuple(fault for row in rows for fault in row.entry.faults)
    return replace(rows[0].entry, rectangles=kept, faults=faults)


Drawn = tuple[str, Rectangle]


def _findings(drawn: Sequence[Drawn], label: str) -> list[list[Drawn]]:
    """Rectangles of a label in groups that overlap, directly or through others."""
    groups: list[list[Drawn]] = []
    for one in (d for d in drawn if d[1].label == label):
        joined = [group for group in groups if any(overlap(one[1], other) >= OVERLAP for _, other in group)]
        rest = [group for group in groups if group not in joined]
        groups = [*rest, [*(d for group in joined for d in group), one]]
    return groups


def _around(group: Sequence[Drawn]) -> Rectangle:
    first = group[0][1]
    low = (min(r.low[0] for _, r in group), min(r.low[1] for _, r in group))
    high = (max(r.high[0] for _, r in group), max(r.high[1] for _, r in group))
    return replace(first, low=low, high=high)


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Intersection over union of two rectangles."""
    sides = (min(one.high[n], other.high[n]) - max(one.low[n], other.low[n]) for n in (0, 1))
    both = 1.0
    for side in sides:
        both *= max(0.0, side)
    return both / (_area(one) + _area(other) - both)


def _area(one: Rectangle) -> float:
    return (one.high[0] - one.low[0]) * (one.high[1] - one.low[1])
