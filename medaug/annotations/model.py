"""What readers hand over: rectangles on named images before matching, boxes on volumes after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from medaug.annotations.label_choice import ALL, LabelChoice
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, Code
from medaug.imaging.volume import Mask, Volume


@dataclass(frozen=True, eq=False)
class Images:
    """What annotations may mean.

    Attributes:
        volumes: everything that may be annotated; pixels are not looked at.
        known: every file found where the volumes were, also those that are no volume: a name that one of them has
            in common with a volume doesn't say which of the two is meant. Spelt as in ``SourceRef.files``.
        readers: which of several readers of an image count, see `reader_consensus.settled`.
        copies: which known file is a copy of a volume's file, so that its name means that one.
        left_out: UIDs of images and series that were found and are not among the volumes.
        choice: which labels count; a reader that knows more of a label than its name leaves out what is ignored.
    """

    volumes: Sequence[Volume]
    known: Sequence[Path] = ()
    readers: str = "union"
    copies: Mapping[Path, Path] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    choice: LabelChoice = ALL

    def missing(self, *uids: str) -> str:
        """The note's code for what lies on none of the volumes, by the UIDs of the images or series that it names."""
        return "no-image" if self.left_out.isdisjoint(uids) else "left-out"


@dataclass(frozen=True)
class Rectangle:
    """One annotated rectangle, in edge coordinates of its image: pixel 0 reaches from 0.0 to 1.0.

    Attributes:
        low: (x, y) of the upper left corner; x runs along columns, y along rows.
        high: (x, y) of the lower right corner.
        label: the class by name.
        where: where in the file it stands, such as ``annotation 3``.
        id: the annotation's own number, where it has one.
        shares: the coordinates are fractions of the image's width and height, not pixels.
        slack: how far the written coordinates may be off, in their own unit, by the decimals they were written with.
        code: the label's coded meaning, where one is stated.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    label: str
    where: str
    id: str = ""
    shares: bool = False
    slack: float = 0.0
    code: Code | None = None


@dataclass(frozen=True)
class Entry:
    """One image as an annotation file names it, with its rectangles; none of them means "looked at, nothing found".

    Attributes:
        rectangles: what was drawn on it.
        uid: SOPInstanceUID, or "".
        name: file name as the annotations give it, or "". Never shown in a message.
        size: (width, height) as the annotations state it, or None.
        slice: 0-based index k, needed only where one file holds several slices.
        faults: sentences about what is annotated on it and can't be used; with one, the image is withheld.
    """

    rectangles: tuple[Rectangle, ...]
    uid: str = ""
    name: str = ""
    size: tuple[int, int] | None = None
    slice: int | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """One annotation that gave no box: a code of `registry.SENTENCES` and where it stands."""

    code: str
    where: str


@dataclass(frozen=True)
class ReaderResult:
    """What one reader found on the volumes.

    Attributes:
        boxes: (volume key, box).
        named: keys of the volumes that the annotations speak of, with or without boxes.
        unsure: keys of the volumes on which something is annotated that could not be placed. Their lesions aren't all
            known, so they must not be augmented.
        notes: annotations that gave no box.
        types: (label, type) of labels for which the format states one, such as RTROIInterpretedType.
    """

    boxes: tuple[tuple[str, Box], ...] = ()
    named: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    notes: tuple[Note, ...] = ()
    types: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, eq=False)
class ClassMask:
    """One class of a mask on one volume.

    Attributes:
        key: of the volume.
        label: the class by name.
        mask: (slices, rows, columns) of the volume, True inside.
    """

    key: str
    label: str
    mask: Mask


def joined(parts: tuple[ReaderResult, ...]) -> ReaderResult:
    """All of it together."""
    return ReaderResult(
        tuple(box for part in parts for box in part.boxes),
        frozenset().union(*(part.named for part in parts)),
        frozenset().union(*(part.unsure for part in parts)),
        tuple(note for part in parts for note in part.notes),
        frozenset().union(*(part.types for part in parts)),
    )


def withheld(volumes: Iterable[Volume], code: str, where: str) -> ReaderResult:
    """Something that may be annotated on any of these volumes, and on which nobody knows."""
    return ReaderResult(unsure=frozenset(volume.source.key for volume in volumes), notes=(Note(code, where),))


T = TypeVar("T")
U = TypeVar("U")


def sound(items: Iterable[T], read: Callable[[T], U]) -> tuple[tuple[U, ...], tuple[str, ...]]:
    """What ``read`` makes of each item, and a sentence for each that it refuses: one bad entry costs no other."""
    kept, faults = [], []
    for item in items:
        try:
            kept.append(read(item))
        except AnnotationError as error:
            if type(error) is not AnnotationError:  # one that concerns more than this item
                raise
            faults.append(str(error))
    return tuple(kept), tuple(faults)
