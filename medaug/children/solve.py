"""The process that solves, see `worker.solver_process`: ``python -m …``. Tasks come on standard input, pickled.

The first is what it is set up with, and it answers with the prior's card. Each other one is rows, a prompt and how a
batch is filled: it tells of its steps on standard output, then what came of them. It ends when its input ends.
"""

from __future__ import annotations

import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import IO, Any

import torch

from medaug import assemble
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, solve_slices
from medaug.errors import placed
from medaug.execution.worker.solver_process import ANSWER, ERROR, STEP
from medaug.execution.worker.unit_of_work import let_go, out_of_memory
from medaug.processes.child import silenced
from medaug.profile.profile import Profile

Task = tuple[Sequence[PresentedSlice], str, int, bool]


class _Solver:
    """The prior with all that a solve needs."""

    def __init__(self, profile: Profile, device: str, threads: int | None) -> None:
        torch.set_num_threads(threads or torch.get_num_threads())
        self.tools = assemble.tools(profile, device).solve
        self.under = assemble.under_prompt(profile, self.tools.prior) if profile.prompt is not None else None

    def solve(self, task: Task, on_step: Callable[[int, int], None]) -> list[SolvedSlice]:
        slices, prompt, batch, full = task
        prior = self.under(prompt) if self.under and prompt else self.tools.prior
        return solve_slices(slices, prior, replace(self.tools, batch_size=batch, full=full), on_step)


def main(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there is nothing more to answer, or the prior can't be loaded."""

    def say(kind: str, said: object) -> None:
        pickle.dump((kind, said), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    solver: _Solver | None = None
    while (task := _heard(asked)) is not None:
        try:
            if solver is None:
                solver = _Solver(*task)
                say(ANSWER, solver.tools.prior.card)
            else:
                say(ANSWER, solver.solve(task, lambda *step: say(STEP, step)))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            if out_of_memory(error):
                let_go()
            say(ERROR, _portable(error))
            if solver is None:
                return


def _heard(asked: IO[bytes]) -> Any:
    """What the parent says; None when it says nothing more."""
    try:
        return pickle.load(asked)  # noqa: S301 - from the process that started this one, through a pipe
    except EOFError:
        return None


def _portable(error: Exception) -> Exception:
    """The error as it can be sent, with its place."""
    try:
        pickle.loads(pickle.dumps(placed(error)))  # noqa: S301 - just made
    except Exception:  # noqa: BLE001 - a library's error may need arguments that it didn't keep
        return placed(RuntimeError(type(error).__name__).with_traceback(error.__traceback__))
    return error


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    pipe = silenced()
    main(sys.stdin.buffer, pipe)
