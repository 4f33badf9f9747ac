"""The units inside a pipeline, and how many may be: memory doesn't grow with the units of a run."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Condition
from types import TracebackType

from medaug.augmentation.solve import SolvedSlice, ToSolve
from medaug.execution.output.leases import Lease
from medaug.execution.planning.units import Unit
from medaug.execution.worker.job import Job
from medaug.execution.worker.stages import Stages

LEAST = 3  # units inside, whatever their size: one each is read, solved and written
MOST = 6  # units inside for each reader, as long as they are small: a slow write then keeps nobody from reading
SMALL = 64 << 20  # bytes of stored numbers of all units inside, for each reader
BATCHES = 3  # filled batches inside, where they are shared


@dataclass(eq=False)
class Hand:
    """A reader and a writer that share what they know of a source, and what is solved for the writer."""

    stages: Stages
    solved: SimpleQueue[Ticket | None] = field(default_factory=SimpleQueue)


@dataclass(eq=False)
class Ticket:
    """A unit inside, with its lease."""

    job: Job
    lease: AbstractContextManager[Lease | None]
    hand: Hand
    presented: ToSolve | None = None
    rows: int = 0
    parts: list[SolvedSlice] = field(default_factory=list)
    answer: tuple[list[SolvedSlice], int] | None = None
    error: Exception | None = None
    spent: float = 0.0  # seconds that were its own

    def close(self, error: BaseException | None = None) -> None:
        """Give the lease back; with an error the traces of dead workers stay."""
        trace: TracebackType | None = error.__traceback__ if error else None
        with suppress(BaseException):
            self.lease.__exit__(type(error) if error else None, error, trace)


class UnitsInside:
    """The units inside, those on their way in, and whether any more may come.

    Args:
        pairs: of a reader and a writer.
    """

    def __init__(self, pairs: int) -> None:
        self.batch = 0  # rows of a shared batch
        self.stopped = False
        self._pairs, self._changed = pairs, Condition()
        self._entering: dict[str, int] = {}  # units that may come in and haven't yet, and their bytes
        self._tickets: set[Ticket] = set()

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Those inside."""
        with self._changed:
            return tuple(self._tickets)

    def wait_to_enter(self, unit: Unit) -> bool:
        """Until one more unit may come in; False when all was stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self.stopped or self._may_enter())
            self._entering[unit.recipe.id] = unit.bytes
            return not self.stopped

    def entered(self, unit: Unit, ticket: Ticket | None = None) -> None:
        """It came in, or won't."""
        with self._changed:
            self._entering.pop(unit.recipe.id, None)
            if ticket is not None:
                self._tickets.add(ticket)
            self._changed.notify_all()

    def left(self, ticket: Ticket) -> None:
        """It is done, or leaves undone."""
        with self._changed:
            self._tickets.discard(ticket)
            self._changed.notify_all()

    def stop(self) -> None:
        """Nothing more comes in."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def stuck(self, waiting: Collection[Ticket]) -> bool:
        """Nothing comes any more, because all that is inside waits for its batch to be filled."""
        with self._changed:
            return self._tickets == set(waiting) and not self._entering and not self._may_enter()

    def _may_enter(self) -> bool:
        inside, rows = len(self._tickets) + len(self._entering), sum(ticket.rows for ticket in self._tickets)
        stored = sum(ticket.job.unit.bytes for ticket in self._tickets) + sum(self._entering.values())
        room = inside < MOST * self._pairs and stored < SMALL * self._pairs
        return inside < LEAST or max(inside, rows) < BATCHES * self.batch or room
