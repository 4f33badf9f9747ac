"""What is done with a unit in a worker's pipeline: read, solved, written."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, ToSolve
from medaug.execution.worker.job import Job, OnStep
from medaug.execution.worker.step_limit import no_step_for_ever
from medaug.execution.worker.unit_of_work import finish, prepare, solve
from medaug.execution.worker.worker import Worker
from medaug.inverse.protocols import Prior


@dataclass(frozen=True)
class Stages:
    """What the threads of a pipeline do.

    Attributes:
        batch: rows of a shared batch; 0 where units are solved one by one. Loads what solving needs.
        prepare: read and present a unit.
        solve: solve a unit by itself; how many slices were solved at once comes with it.
        solve_slices: solve a batch of rows of several units.
        finish: restore, check, write, commit what ``prepare`` gave, from its solved slices; the batch's size is
            recorded.
        warm: load what finishing needs, while the first unit is read and solved.
    """

    batch: Callable[[Worker], int]
    prepare: Callable[[Job], ToSolve]
    solve: Callable[[Worker, ToSolve, OnStep | None], tuple[list[SolvedSlice], int]]
    solve_slices: Callable[[Worker, Sequence[PresentedSlice], Prior], list[SolvedSlice]]
    finish: Callable[[Job, Any, Sequence[SolvedSlice], int], Record]
    warm: Callable[[Worker], None] = lambda _: None

    def work(self, job: Job, on_step: OnStep | None = None) -> Record:
        """All of it, one after the other: a unit with nothing beside it."""
        job.lease.stage("read")
        presented = self.prepare(job)
        job.lease.stage("solve")
        with no_step_for_ever(job.worker, on_step, job.lease.trace) as step:
            solved, batch = self.solve(job.worker, presented, step)
        job.lease.stage("write")
        return self.finish(job, presented, solved, batch)


def _batch(worker: Worker) -> int:
    return worker.tools.solve.batch_size if worker.tools.solve.full else 0


def _solve_slices(worker: Worker, rows: Sequence[PresentedSlice], prior: Prior) -> list[SolvedSlice]:
    # No trace, for these are slices of several units: whose call didn't end shows when each is solved alone.
    with no_step_for_ever(worker, None) as step:
        return worker.tools.solve_slices(rows, prior, worker.tools.solve, step)


def warm(worker: Worker) -> None:
    """The evidence's libraries take seconds to load: longer than the first solve, which the second would wait for."""
    if worker.profile.evidence.segmentation:
        importlib.import_module("medaug.dicom.evidence.segmentation")
    if worker.profile.evidence.report:
        importlib.import_module("medaug.dicom.evidence.report")


STAGES = Stages(_batch, prepare, solve, _solve_slices, finish, warm)
