"""What a run tells while it goes on, and what it left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medaug.audit.record import Record
from medaug.execution.planning.sources import Skip


@dataclass(frozen=True)
class Stage:
    """Where a run is before, or when, its units begin.

    Attributes:
        name: ``prior``: it is loaded; ``units``: they begin.
        done: units that earlier calls did.
        total: units of this plan or share.
    """

    name: Literal["prior", "units"]
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Progress:
    """One unit is done.

    Attributes:
        done: units done in this call.
        total: units to do in this call.
        record: what became of it.
        eta_seconds: estimated time left, from the mean so far.
        before: units of this plan or share that earlier calls did.
    """

    done: int
    total: int
    record: Record
    eta_seconds: float
    before: int = 0


@dataclass(frozen=True)
class Summary:
    """What a run left behind.

    Attributes:
        output: OUTPUT.
        records: the decisive record of every unit of this plan (with a shard: of its share), on disk.
        skips: sources that were left out.
        unmatched: annotations that fit no image.
        planned: units of this plan or share.
        already_done: of them, those that needed nothing.
        notes: sentences about sources that are used.
        elsewhere: units in OUTPUT that the plan doesn't hold; they are in no list.
        others: units of the plan that fall to other shards.
    """

    output: Path
    records: Sequence[Record]
    skips: tuple[Skip, ...]
    unmatched: tuple[str, ...]
    planned: int
    already_done: int
    notes: tuple[str, ...] = ()
    elsewhere: int = 0
    others: int = 0
    counts: Counter[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Counter(record.status for record in self.records))

    @property
    def exit_code(self) -> int:
        """0 all done, 3 nothing written, 4 partial: something was refused, rejected, failed or unmatched.

        A shard to which no unit falls has done all.
        """
        if not self.counts["written"] and (self.planned or not self.others):
            return 3
        incomplete = self.planned > self.counts["written"] or any(skip.refused for skip in self.skips)
        return 4 if incomplete or self.unmatched else 0
