"""The stages of a pipeline where other processes read and write: they are asked, and what they staged is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.execution.worker.io_process import IoProcess
from medaug.execution.worker.job import Job
from medaug.execution.worker.shared_slices import SharedSlices
from medaug.execution.worker.stages import STAGES, Stages
from medaug.execution.worker.unit_of_work import publish
from medaug.execution.worker.worker import Worker
from medaug.inverse.protocols import Prior


@dataclass(frozen=True, eq=False)
class RemotePresented:
    """A unit that another process has read.

    Attributes:
        shared: its slices.
        prior: under the prompt of its labels.
    """

    shared: SharedSlices
    prior: Prior

    @property
    def slices(self) -> list[PresentedSlice]:
        """To be solved."""
        return self.shared.slices


def stages_of(worker: Worker) -> tuple[Stages, ...]:
    """One for each process that reads and writes for a worker; its own where there is none."""
    return tuple(map(_remote, worker.io_processes)) or (STAGES,)


def _remote(process: IoProcess) -> Stages:
    return replace(
        STAGES, prepare=partial(_prepare, process), finish=partial(_finish, process), warm=lambda _: process.warm()
    )


def _prepare(process: IoProcess, job: Job) -> RemotePresented:
    shared, labels = process.prepare(job.unit, job.lease.folder)
    tools = job.worker.tools.solve
    return RemotePresented(shared, tools.prompted(labels) if tools.prompted else tools.prior)


def _finish(
    process: IoProcess, job: Job, presented: RemotePresented, solved: Sequence[SolvedSlice], batch_size: int
) -> Record:
    record = process.finish(job.unit.recipe.id, presented.shared, solved, batch_size)
    publish(job, record)
    return record
