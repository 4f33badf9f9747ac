"""A worker's pipeline as a discrete-event model: how fast units pass, and which part of a machine holds them back.

Processes read and write, one device solves in full batches, a disk takes what is written. A unit is written by the
process that read it, the variants of a source go to one process, few units are inside at a time, as in
`worker.pipeline`. Costs are constant; nothing fails.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Bottleneck = Literal["reading", "solving", "disk"]
LEAST, MOST, BATCHES = 3, 6, 3  # units inside, as `worker.tickets` has them
ALIKE = 8  # units of one source that a process gets at once


@dataclass(frozen=True)
class Costs:
    """Of one unit; seconds.

    Attributes:
        first: of a core, to read and present the first variant of a source.
        further: likewise, another variant.
        write: of a core, to restore, check and write.
        solve: of the device, for one row of a full batch.
        rows: slices that are solved.
        bytes: that go to the disk.
    """

    first: float
    further: float
    write: float
    solve: float
    rows: int = 1
    bytes: float = 0.0


@dataclass(frozen=True)
class Machine:
    """What a worker has.

    Attributes:
        io_workers: processes that read and write, at least one.
        batch: rows that the device solves at once.
        disk: bytes a second.
    """

    io_workers: int
    batch: int = 1
    disk: float = float("inf")


@dataclass(frozen=True)
class Flow:
    """What came of it.

    Attributes:
        rate: units a second at steady state.
        seconds: for all units.
        busy: share of the time that each part is busy, at most 1.
    """

    rate: float
    seconds: float
    busy: dict[Bottleneck, float]

    @property
    def held_by(self) -> Bottleneck:
        """The part that holds units back: the one that is busiest."""
        return max(self.busy, key=lambda part: self.busy[part])


def simulated(costs: Costs, machine: Machine, units: int, variants: int) -> Flow:
    """Let units pass.

    Args:
        costs: of each.
        machine: that they pass.
        units: how many.
        variants: of each source.
    """
    model = _Model(costs, machine, units, variants)
    ends = list(model.run())
    middle = units // 3  # before it, the pipeline fills; and at the end it runs empty
    span = ends[-1] - ends[middle] if units > 2 else 0.0
    rate = (units - 1 - middle) / span if span else units / ends[-1]
    parts: tuple[Bottleneck, ...] = ("reading", "solving", "disk")
    capacity = {"reading": machine.io_workers, "solving": 1, "disk": 1}
    busy = {part: min(1.0, model.spent[part] / (ends[-1] * capacity[part])) for part in parts}
    return Flow(rate, ends[-1], busy)


class _Model:
    """Time, and what is where at it."""

    def __init__(self, costs: Costs, machine: Machine, units: int, variants: int) -> None:
        self.costs, self.machine = costs, machine
        self.now, self.spent = 0.0, Counter[Bottleneck]()
        self._events: list[tuple[float, int, str, tuple[int, ...]]] = []
        self._order = 0
        self._sources = deque(min(variants, units - first) for first in range(0, units, variants))
        self._most = max(1, min(ALIKE, units // (2 * machine.io_workers)))
        self._dealt = [[0, 0] for _ in range(machine.io_workers)]  # variants still to read, and read of this source
        self._solved = [0] * machine.io_workers  # units that wait to be written
        self._idle = set(range(machine.io_workers))
        self._ready: deque[int] = deque()  # rows that wait for the device, by the process that has read them
        self._missing: Counter[int] = Counter()  # rows of units that are partly solved
        self._inside = self._reading = 0
        self._device = self._disk = 0.0  # when each is free

    def run(self) -> Iterator[float]:
        """The moments at which units are done."""
        self._give_out()
        while self._events:
            self.now, _, kind, who = heapq.heappop(self._events)
            if kind == "read":
                self._reading -= 1
                self._ready.extend(who * self.costs.rows)
                self._idle.update(who)
            elif kind == "solved":
                self._share_out(who)
            elif kind == "written":
                self._idle.update(who)
                self._disk = max(self._disk, self.now) + self._spend("disk", self.costs.bytes / self.machine.disk)
                self._at(self._disk, "done")
            else:
                self._inside -= 1
                yield self.now
            self._give_out()
            self._solve()

    def _give_out(self) -> None:
        """What each idle process does next: what is solved goes first, so that others may come in."""
        for who in sorted(self._idle):
            if self._solved[who]:
                self._solved[who] -= 1
                self._at(self.now + self._spend("reading", self.costs.write), "written", who)
            elif self._may_enter() and self._deal(who):
                left, read = self._dealt[who]
                self._dealt[who] = [left - 1, read + 1]
                self._inside, self._reading = self._inside + 1, self._reading + 1
                cost = self.costs.further if read else self.costs.first
                self._at(self.now + self._spend("reading", cost), "read", who)
            else:
                continue
            self._idle.discard(who)

    def _deal(self, who: int) -> bool:
        """Whether the process has a unit to read; variants of a source come together."""
        if not self._dealt[who][0] and self._sources:
            taken = min(self._most, self._sources[0])
            self._dealt[who] = [taken, 0]
            self._sources[0] -= taken
            if not self._sources[0]:
                self._sources.popleft()
        return self._dealt[who][0] > 0

    def _may_enter(self) -> bool:
        batches = BATCHES * self.machine.batch if self.machine.batch > 1 else 0
        most = max(MOST * self.machine.io_workers, batches // self.costs.rows, LEAST)
        return self._inside < most

    def _solve(self) -> None:
        if self._device > self.now or not self._ready:
            return
        more = self._reading or (self._may_enter() and (self._sources or any(left for left, _ in self._dealt)))
        if len(self._ready) < self.machine.batch and more:
            return
        rows = tuple(self._ready.popleft() for _ in range(min(self.machine.batch, len(self._ready))))
        self._device = self.now + self._spend("solving", self.machine.batch * self.costs.solve)
        self._at(self._device, "solved", *rows)

    def _share_out(self, rows: tuple[int, ...]) -> None:
        for who in rows:
            self._missing[who] += 1
            if self._missing[who] == self.costs.rows:
                self._missing[who] = 0
                self._solved[who] += 1

    def _spend(self, part: Bottleneck, seconds: float) -> float:
        self.spent[part] += seconds  # type: ignore[assignment]  # a Counter of seconds
        return seconds

    def _at(self, when: float, kind: str, *who: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (when, self._order, kind, who))
