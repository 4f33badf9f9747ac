"""What is done with a unit in a worker's line: read, solved, written, each by a thread of its own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.execution.output.leases import Claim
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.unit_of_work import Answer, Ready, finish, prepare, solve
from medaug.execution.worker.worker import Bench


@dataclass(frozen=True)
class Stages:
    """What the three threads do.

    Attributes:
        batch: rows of a shared batch; 0 where units are solved one by one. Loads what solving needs.
        prepare: read and present a unit.
        solve: solve a unit by itself.
        solve_slices: solve a batch of rows of several units.
        finish: restore, check, write, commit.
        warm: load what finishing needs, while the first unit is read and solved.
    """

    batch: Callable[[Bench], int]
    prepare: Callable[[Store, Bench, Unit, Claim], Ready]
    solve: Callable[[Bench, Ready, Callable[[int, int], None] | None], Answer]
    solve_slices: Callable[[Bench, Sequence[PresentedSlice], Any], list[SolvedSlice]]
    finish: Callable[[Store, Bench, Unit, Claim, Ready, Answer], Record]
    warm: Callable[[Bench], None] = lambda _: None


def _batch(bench: Bench) -> int:
    return bench.tools.solve.batch_size if bench.tools.solve.full else 0


def _solve(bench: Bench, ready: Ready, on_step: Callable[[int, int], None] | None) -> Answer:
    solution, batch = solve(ready.presented, bench.tools, on_step)
    return Answer(solution, batch, 0.0)


def _solve_slices(bench: Bench, rows: Sequence[PresentedSlice], prior: Any) -> list[SolvedSlice]:
    return bench.tools.solve_slices(rows, prior, bench.tools.solve)


def _warm(bench: Bench) -> None:
    """The evidence's libraries take seconds to load: longer than the first solve, which the second would wait for."""
    if bench.profile.evidence.segmentation:
        importlib.import_module("medaug.dicom.evidence.segmentation")
    if bench.profile.evidence.report:
        importlib.import_module("medaug.dicom.evidence.report")


STAGES = Stages(_batch, prepare, _solve, _solve_slices, finish, _warm)
