"""Which of several readers gets which unit: one that has read its source, if that can be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from threading import Lock

from medaug.execution.planning.units import Unit

ALIKE = 8  # units of one source that a reader gets at once; the next ones may be another's, who reads it again


class Dealer:
    """Units for several readers at once; what each gets at once are variants of one source.

    Args:
        units: those of a source follow each other.
        readers: how many ask.
    """

    def __init__(self, units: Collection[Unit], readers: int) -> None:
        self._lock, self._units = Lock(), iter(units)
        self._next: Unit | None = None
        self._most = max(1, min(ALIKE, len(units) // (2 * readers))) if readers > 1 else 1

    def deal(self) -> Iterator[Unit]:
        """The units of one reader."""
        while taken := self._take():
            yield from taken

    def _take(self) -> list[Unit]:
        with self._lock:
            taken: list[Unit] = []
            while len(taken) < self._most and (unit := self._next or next(self._units, None)) is not None:
                self._next = None
                if taken and taken[0].source != unit.source:
                    self._next = unit
                    break
                taken.append(unit)
            return taken
