"""A worker's real processes, in which units that don't exist are read and written in no time, as `null.work` does.

What is patched is what costs time: pixels and the prior. Processes, pipes, shared memory, leases, staging and commits
are those of a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from medaug import assemble
from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.augmentation.tools import Tools
from medaug.children import read_write
from medaug.execution.executors import processes
from medaug.execution.worker import io_process
from medaug.execution.worker.job import Job, Work
from medaug.execution.worker.worker import Worker
from medaug.inverse.priors.card import EMBEDDED, read_card
from medaug.inverse.priors.remote_prior import RemotePrior
from tests.support import null
from tests.support.shared_disk import SharedDisk

CHILD = "tests.support.null_read_write"


@contextmanager
def null_stages() -> Iterator[None]:
    """In a process that reads and writes, or that has others do so."""
    with (
        mock.patch.multiple(read_write, prepare=_prepare, stage=_stage),
        mock.patch.object(Worker, "tools", property(_tools)),
    ):
        yield


@contextmanager
def null_processes() -> Iterator[None]:
    """In a process whose workers have others read and write, in processes of their own."""
    with (
        null_stages(),
        mock.patch.object(io_process, "CHILD", CHILD),
        mock.patch.object(processes, "_work", in_a_process),
    ):
        yield


def in_a_process(pipe: Connection, worker: Worker, work: Work, number: int) -> None:
    """A worker's life in a process that was just started; nothing is patched there yet."""
    real = processes._work
    with null_processes(), SharedDisk.of_environment().watched():
        real(pipe, worker, work, number)


def _prepare(job: Job) -> Any:
    pixels = np.zeros((8, 8), dtype=np.float32)
    unit = job.unit
    slices = [PresentedSlice(pixels, pixels == 0, unit.recipe)]
    return SimpleNamespace(slices=slices, recipe=unit.recipe, case=SimpleNamespace(boxes=unit.boxes))


def _stage(job: Job, _presented: object, solved: list[SolvedSlice], _batch_size: int) -> Record:
    assert all((one.solved == 1).all() and (one.round_trip == 2).all() for one in solved)
    return null.stage(job)


def _tools(worker: Worker) -> Tools:
    there = assemble.tools(worker.profile, worker.device, RemotePrior(read_card(EMBEDDED)))
    return replace(there, solve_slices=_solve_slices)


def _solve_slices(slices: list[PresentedSlice], *_: object) -> list[SolvedSlice]:
    return [SolvedSlice(one.pixels + 1, one.pixels + 2) for one in slices]
