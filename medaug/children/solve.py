"""The process that solves, see `worker.solver_process`: ``python -m …``.

It is set up with a profile, a device and threads, and answers with the prior's card. Each task is rows, a prompt and
how a batch is filled: it tells of its steps, then what came of them; of rows in shared memory, it writes that there.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO

import torch

from medaug import assemble
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, solve_slices
from medaug.execution.worker.shared_slices import SharedSlice
from medaug.execution.worker.step_limit import step_seconds
from medaug.execution.worker.unit_of_work import let_go, out_of_memory
from medaug.inverse.priors.card import PriorCard
from medaug.processes.child import silenced
from medaug.processes.freed_memory import keep_freed_memory
from medaug.processes.last_resort import last_resort
from medaug.processes.task_process import OnStep, answer_tasks
from medaug.profile.profile import Profile

Setup = tuple[Profile, str, int | None]
Task = tuple[Sequence[PresentedSlice], str, int, bool]


class _Solver:
    """The prior with all that a solve needs."""

    def __init__(self, profile: Profile, device: str, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        self.tools = assemble.tools(profile, device).solve
        self.under = assemble.under_prompt(profile, self.tools.prior) if profile.prompt is not None else None

    def solve(self, task: Task, on_step: OnStep) -> list[SolvedSlice | None]:
        slices, prompt, batch, full = task
        prior = self.under(prompt) if self.under and prompt else self.tools.prior
        with last_resort(step_seconds(batch)) as anew:

            def step(done: int, of: int) -> None:
                anew()
                on_step(done, of)

            solved = solve_slices(slices, prior, replace(self.tools, batch_size=batch, full=full), step)
        return [_placed(one, found) for one, found in zip(slices, solved, strict=True)]


def _placed(one: PresentedSlice, found: SolvedSlice) -> SolvedSlice | None:
    """What is sent of a solved slice: nothing where it lies in shared memory."""
    if not isinstance(one, SharedSlice):
        return found
    one.answer.put(found)
    return None


def _set_up(setup: Setup) -> tuple[PriorCard, Callable[[Task, OnStep], object]]:
    solver = _Solver(*setup)
    return solver.tools.prior.card, solver.solve


def _failed(error: Exception) -> None:
    if out_of_memory(error):
        let_go()


def main(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there is nothing more to answer, or the prior can't be loaded."""
    answer_tasks(asked, answers, _set_up, _failed)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    keep_freed_memory()
    pipe = silenced()
    main(sys.stdin.buffer, pipe)
