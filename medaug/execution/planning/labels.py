"""All annotation files of a run together: what is a lesion, what is context, what is withheld."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medaug.annotations.bounded import read_annotations
from medaug.annotations.label_choice import ALL, LabelChoice
from medaug.errors import AnnotationError
from medaug.execution.planning.sources import Collected
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume

SHOWN = 8  # labels that a sentence names


@dataclass(frozen=True)
class Labels:
    """What is labelled, by volume key.

    Attributes:
        lesions: boxes to keep and to list.
        context: boxes to keep.
        withheld: volumes with a lesion that could not be placed: what is not boxed would be repainted.
        unmatched: sentences about annotations that fit no image.
        notes: sentences about labels that are no lesions.
    """

    lesions: dict[str, tuple[Box, ...]]
    context: dict[str, tuple[Box, ...]]
    withheld: frozenset[str]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...]


def labels_of(
    collected: Collected, volumes: Sequence[Volume], paths: Sequence[Path], choice: LabelChoice = ALL, **how: Any
) -> Labels:
    """Read all files; a box given twice counts once.

    Args:
        collected: what INPUT holds.
        volumes: what of it is used.
        paths: annotation files and folders.
        choice: which labels count.
        how: ``format`` and ``readers`` of `read_annotations`.

    Raises:
        AnnotationError: a file is malformed, or a pattern of ``choice`` fits no label at all.
    """
    left_out = collected.without(volumes)
    lesions: dict[str, set[Box]] = defaultdict(set)
    context: dict[str, set[Box]] = defaultdict(set)
    known: dict[str, Any] = {"known": collected.files, "copies": collected.copies, "left_out": left_out}
    read = [read_annotations(path, volumes, choice=choice, **known, **how) for path in paths]
    withheld = frozenset[str]().union(*(matched.withheld for matched in read))
    for matched in read:
        for boxes, into in ((matched.boxes, lesions), (matched.context, context)):
            for key, placed in boxes.items():
                into[key].update(placed)
    names = frozenset[str]().union(*(matched.names for matched in read))
    _check_used(choice, names)
    unmatched = tuple(sentence for matched in read for sentence in matched.unmatched_annotations)
    sure, beside = ({k: tuple(sorted(b)) for k, b in by.items() if k not in withheld} for by in (lesions, context))
    return Labels(sure, beside, withheld, unmatched, _notes(choice, context))


def _check_used(choice: LabelChoice, names: frozenset[str]) -> None:
    if names and (unused := choice.unused(names)):
        more = ", …" if len(names) > SHOWN else ""
        raise AnnotationError(
            f"labels: no label or type is called {', '.join(map(repr, unused))}; "
            f"there are {', '.join(sorted(names)[:SHOWN])}{more}"
        )


def _notes(choice: LabelChoice, context: dict[str, set[Box]]) -> tuple[str, ...]:
    """What is kept although it is no lesion."""
    labels = sorted({box.label for boxes in context.values() for box in boxes})
    if not choice.lesions or not labels:
        return ()
    return (f"kept as context, and in no list: {', '.join(labels[:SHOWN])}{', …' if len(labels) > SHOWN else ''}",)
