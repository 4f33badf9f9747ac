"""A process that reads and writes units, see `worker.io_process`: ``python -m …``.

It commits nothing and holds no lease: what it leaves in a staging folder counts only when its worker has committed it.
When the worker is gone, it ends at once, whatever it is doing.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from medaug.audit.record import Record
from medaug.augmentation.augment import Begun
from medaug.execution.output.leases import Lease
from medaug.execution.output.open import attach
from medaug.execution.worker.io_process import Setup, ToFinish, ToPrepare, ToWarm
from medaug.execution.worker.job import Job
from medaug.execution.worker.shared_slices import SharedSlices, shared
from medaug.execution.worker.stages import warm
from medaug.execution.worker.unit_of_work import prepare, stage
from medaug.execution.worker.worker import Worker
from medaug.processes.child import ending_with, silenced
from medaug.processes.freed_memory import keep_freed_memory
from medaug.processes.loaded_objects import keep_loaded_objects
from medaug.processes.shared_memory import SharedBlock
from medaug.processes.task_process import OnStep, answer_tasks

Task = ToPrepare | ToFinish | ToWarm


@dataclass(frozen=True, eq=False)
class _Kept:
    """A unit that was read, until it is finished or no longer wanted."""

    job: Job
    presented: Begun
    block: SharedBlock
    slices: SharedSlices


def _nothing() -> None:
    pass


class ReaderWriter:
    """Reads and writes units, one task after the other.

    Args:
        setup: as whose worker.
        loaded: called once its first unit is finished, when all that it needs is loaded.
    """

    def __init__(self, setup: Setup, loaded: Callable[[], None] = _nothing) -> None:
        self.store = attach(setup.root)
        self.worker = Worker(setup.request, setup.root, threads=setup.threads, card=setup.card)
        self._kept: dict[str, _Kept] = {}
        self._loaded = loaded

    def answer(self, task: Task, _on_step: OnStep) -> object:
        """What came of a task: slices and labels, a record, or nothing."""
        match task:
            case ToPrepare():
                return self.prepare(task)
            case ToFinish():
                return self.finish(task)
            case ToWarm():
                warm(self.worker)
                return None
            case _:
                assert_never(task)

    def prepare(self, task: ToPrepare) -> tuple[SharedSlices, tuple[str, ...]]:
        """Read and present a unit, and keep it; its slices, and the labels that decide the prompt."""
        self._kept = {key: self._kept[key] for key in task.kept if key in self._kept}
        job = Job(self.store, self.worker, task.unit, Lease(task.folder, ()))
        presented = prepare(job)
        block, slices = shared(presented.slices, presented.recipe)
        self._kept[task.unit.recipe.id] = _Kept(job, presented, block, slices)
        return slices, tuple(box.label for box in presented.case.boxes)

    def finish(self, task: ToFinish) -> Record:
        """Restore, check and stage a unit that is kept."""
        kept = self._kept.pop(task.unit)
        record = stage(kept.job, kept.presented, kept.slices.answers, task.batch_size)
        loaded, self._loaded = self._loaded, _nothing  # once
        loaded()
        return record


def set_up(setup: Setup, loaded: Callable[[], None] = _nothing) -> tuple[None, Callable[[Task, OnStep], object]]:
    """What answers the tasks of a worker; arguments as for `ReaderWriter`."""
    return None, ReaderWriter(setup, loaded).answer


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # the terminal, or a batch system, sends it to all
        signal.signal(number, signal.SIG_IGN)  # the parent decides
    keep_freed_memory()
    ready = partial(set_up, loaded=keep_loaded_objects)
    answer_tasks(ending_with(sys.stdin.buffer), silenced(), ready, lambda _: None)


if __name__ == "__main__":
    _main()
