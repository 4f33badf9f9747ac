"""How far a run is, from OUTPUT's files alone, on any machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medaug.audit.layout import VARIANTS, unit_folder
from medaug.audit.listed import Choice
from medaug.execution.output import leases, quarantine
from medaug.execution.output.lists import read_listing
from medaug.execution.output.open import attach
from medaug.storage.disk_map import DiskMap

RECENT = 3600.0  # seconds over which the rate is taken
LEAST = 10.0  # seconds between the first and the last unit, below which a rate says nothing


@dataclass(frozen=True)
class Status:
    """What stands in OUTPUT.

    Attributes:
        planned: units of the plan.
        counts: of them, by status; a unit that nobody finished is in none.
        quarantined: of them, those that are left alone.
        working: workers that hold a unit now.
        per_hour: units written in the hour before the latest of them, or since the first if that is less; None before
            `LEAST` seconds of work are there to tell from.
        elsewhere: units that the plan doesn't hold.
        left_out: of the written ones, those that lists leave out by decision.
    """

    planned: int
    counts: Counter[str]
    quarantined: int
    working: int
    per_hour: float | None
    elsewhere: int
    left_out: int

    @property
    def left(self) -> int:
        """Units that a run would do now: failures are tried again, what is quarantined isn't."""
        return self.planned - self.counts["written"] - self.counts["rejected"] - self.quarantined

    @property
    def eta_seconds(self) -> float | None:
        """At the present rate; 0 where nothing is left, None where there is no rate."""
        if not self.left:
            return 0.0
        return self.left / self.per_hour * 3600 if self.per_hour else None


def status(root: Path) -> Status:
    """Look at OUTPUT; nothing is changed, no lock is waited for.

    Raises:
        OutputError: it is no medaug output.
    """
    store, wanted = attach(root), read_listing(root).units
    held = DiskMap.of(entry.unit for entry in quarantine.each(root) if entry.unit in wanted)
    counts: Counter[str] = Counter()
    elsewhere = left_out = 0
    choice = Choice.of(root)
    for unit, how in store.look().items():
        if unit not in wanted:
            elsewhere += 1
        elif unit not in held:
            counts[how] += 1
            left_out += how == "written" and bool(choice.code(unit, unit_folder(unit)))
    working = leases.working(store.staging) if store.staging.is_dir() else 0
    return Status(len(wanted), counts, len(held), working, _rate(root / VARIANTS), elsewhere, left_out)


def _rate(folder: Path) -> float | None:
    """From the folders' times, which every host gets from the same file system."""
    latest = max(_times(folder), default=0.0)
    count, first = 0, latest
    for moment in _times(folder):
        if latest - moment < RECENT:
            count, first = count + 1, min(first, moment)
    return (count - 1) / (latest - first) * 3600 if latest - first >= LEAST else None


def _times(folder: Path) -> Iterator[float]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.stat().st_mtime for entry in entries)
    except FileNotFoundError:
        return  # no unit was begun
