"""How far a run is, from OUTPUT's files alone, on any machine."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medaug.execution import leases, quarantine
from medaug.execution.listing import read_listing
from medaug.execution.opening import attach

RECENT = 3600.0  # seconds over which the rate is taken


@dataclass(frozen=True)
class Status:
    """What stands in OUTPUT.

    Attributes:
        planned: units of the plan.
        counts: of them, by status; a unit that nobody finished is in none.
        quarantined: of them, those that are left alone.
        working: workers that hold a unit now.
        per_hour: units written in the last hour, or since the first of them if that is less; None before two are there.
        elsewhere: units that the plan doesn't hold.
    """

    planned: int
    counts: Counter[str]
    quarantined: int
    working: int
    per_hour: float | None
    elsewhere: int

    @property
    def left(self) -> int:
        """Units that a run would do now: failures are tried again, what is quarantined isn't."""
        return self.planned - self.counts["written"] - self.counts["rejected"] - self.quarantined

    @property
    def eta_seconds(self) -> float | None:
        """At the present rate; None where there is none."""
        return self.left / self.per_hour * 3600 if self.per_hour else None


def status(root: Path) -> Status:
    """Look at OUTPUT; nothing is changed, no lock is waited for.

    Raises:
        OutputError: it is no medaug output.
    """
    store, wanted = attach(root), frozenset(read_listing(root).units)
    ended = store.outcomes()
    held = [entry for entry in quarantine.entries(root) if entry.unit in wanted]
    left_alone = {entry.unit for entry in held}
    counts: Counter[str] = Counter(how for unit, how in ended.items() if unit in wanted and unit not in left_alone)
    elsewhere = sum(unit not in wanted for unit in ended)
    working = leases.working(store.staging) if store.staging.is_dir() else 0
    return Status(len(wanted), counts, len(held), working, _rate(root), elsewhere)


def _rate(root: Path) -> float | None:
    """From the folders' times, which every host gets from the same file system."""
    times = (
        sorted(path.stat().st_mtime for path in (root / "variants").iterdir()) if (root / "variants").is_dir() else []
    )
    recent = [t for t in times if times[-1] - t < RECENT]
    if len(recent) < 2:
        return None
    span = max(recent[-1] - recent[0], time.get_clock_info("time").resolution)
    return (len(recent) - 1) / span * 3600
