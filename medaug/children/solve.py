"""The process that solves, see `distant`: ``python -m …``. Asked on standard input, it answers on standard output.

First comes what it is set up with, and it says the prior's card. Then come rows, a prompt and how a batch is
filled, each time; it tells of its steps, then what came of them. It ends when its input ends.
"""

from __future__ import annotations

import pickle
import signal
import sys
from dataclasses import replace
from typing import IO, Any

from medaug import assemble
from medaug.augmentation.solve import solve_slices
from medaug.errors import placed
from medaug.execution.worker.solver_process import CARD, ERROR, SOLVED, STEP
from medaug.execution.worker.unit_of_work import let_go, out_of_memory
from medaug.processes.child import silenced


def main(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there is nothing more to answer."""

    def say(kind: str, *said: object) -> None:
        pickle.dump((kind, *said), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    profile, device, threads = _heard(asked)
    _take_threads(threads)
    try:
        tools = assemble.tools(profile, device)
        under = assemble.under_prompt(profile, tools.solve.prior) if profile.prompt is not None else None
    except Exception as error:  # noqa: BLE001 - the parent raises it
        say(ERROR, _portable(error))
        return
    say(CARD, tools.solve.prior.card)
    while (task := _heard(asked)) is not None:
        rows, prompt, batch, full = task
        asked_for = replace(tools.solve, batch_size=batch, full=full)
        prior = under(prompt) if under and prompt else tools.solve.prior
        try:
            parts = solve_slices(rows, prior, asked_for, lambda *step: say(STEP, *step))
        except Exception as error:  # noqa: BLE001 - likewise
            if out_of_memory(error):
                let_go()
            say(ERROR, _portable(error))
        else:
            say(SOLVED, parts)


def _heard(asked: IO[bytes]) -> Any:
    """What the parent says; None when it says nothing more."""
    try:
        return pickle.load(asked)  # noqa: S301 - from the process that started this one, through a pipe
    except EOFError:
        return None


def _take_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


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
