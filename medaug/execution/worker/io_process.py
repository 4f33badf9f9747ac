"""A process that reads and writes units for a worker, beside others that do and one that solves.

It reads and presents a unit and keeps it; its slices lie in shared memory, where the process that solves finds them and
leaves what it solved; then the process that read the unit restores, checks and stages it. Leases and commits stay with
the worker, which moves no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

from medaug.audit.record import Record
from medaug.augmentation.solve import SolvedSlice
from medaug.errors import SourceError
from medaug.execution.output.quarantine import WORKER_DIED, is_death, over_time
from medaug.execution.planning.request import RunRequest
from medaug.execution.planning.units import Unit
from medaug.execution.worker.shared_slices import SharedSlices
from medaug.inverse.priors.card import PriorCard
from medaug.processes.last_resort import ended_so
from medaug.processes.task_process import TaskProcess

CHILD = "medaug.children.read_write"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # each has one core


@dataclass(frozen=True)
class Setup:
    """What such a process is set up with.

    Attributes:
        request: the worker's, with the device by its name.
        root: OUTPUT.
        threads: of the processor's that a solve takes, for the record.
        card: of the prior, which another process holds.
    """

    request: RunRequest
    root: Path
    threads: int | None
    card: PriorCard


@dataclass(frozen=True)
class ToPrepare:
    """A unit to read.

    Attributes:
        unit: what is to be read.
        folder: where it will be staged.
        kept: keys of the units that are still wanted of the process; what else it has may go.
    """

    unit: Unit
    folder: Path
    kept: tuple[str, ...]


@dataclass(frozen=True)
class ToFinish:
    """A unit whose slices are solved, by its key, and how many were solved at once."""

    unit: str
    batch_size: int


class ToWarm:
    """Load what finishing needs."""


class IoProcess:
    """The process; started when first asked, and again after it died. Threads that ask wait for each other.

    Args:
        setup: called when it is started.
    """

    def __init__(self, setup: Callable[[], Setup]) -> None:
        self._setup, self._turn = setup, Lock()
        self._process: TaskProcess | None = None
        self._held: WeakValueDictionary[str, SharedSlices] = WeakValueDictionary()  # what it must keep for us

    def prepare(self, unit: Unit, folder: Path) -> tuple[SharedSlices, tuple[str, ...]]:
        """Have a unit read and presented; it is kept for as long as its slices are referred to here.

        Returns:
            Its slices, and the labels that decide its prompt.

        Raises:
            SourceError: ``worker-died``: the process died over it; the next call starts another. ``time-limit``:
                likewise, for it took far too long.
            Exception: what was raised there.
        """
        with self._turn:
            slices, labels = self._ask(ToPrepare(unit, folder, tuple(self._held)))
            self._held[unit.recipe.id] = slices
        return slices, labels

    def finish(self, unit: str, slices: SharedSlices, solved: Sequence[SolvedSlice], batch_size: int) -> Record:
        """Have a unit restored, checked and staged; the record that it is to be committed with.

        Raises:
            SourceError: ``worker-died``: the process died over it, or since it read it.
            Exception: what was raised there.
        """
        for mine, found in zip(slices.answers, solved, strict=True):
            mine.put(found)
        with self._turn:
            if self._held.get(unit) is not slices:
                raise _died("after it read the unit")
            record: Record = self._ask(ToFinish(unit, batch_size))
        return record

    def warm(self) -> None:
        """Have it load what finishing needs. Where it dies of that, a unit starts another."""
        with self._turn:
            try:
                self._ask(ToWarm())
            except SourceError as error:
                if not is_death(error):
                    raise

    def close(self) -> None:
        """End the process; the next unit would start another."""
        if self._process is not None:
            self._process.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def _ask(self, task: object) -> Any:
        if self._process is None:
            self._process = TaskProcess(CHILD, self._setup(), "a process that reads and writes", "started", ONE_THREAD)
        try:
            return self._process.ask(task)
        except EOFError as died:
            self._held.clear()
            if ended_so(died.args[0]):
                raise over_time("read" if isinstance(task, ToPrepare) else "write") from None
            raise _died(f"over the unit (status {died})") from None


def _died(when: str) -> SourceError:
    return SourceError(f"the process that read and wrote died {when}, most often for lack of memory", code=WORKER_DIED)
