"""No step of a solve takes for ever: the process ends over it, and the unit is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medaug.execution.worker.job import OnStep
from medaug.execution.worker.worker import Worker
from medaug.processes.last_resort import last_resort
from medaug.processes.time_limit import of_all_threads

STEP_SECONDS, SLICE_SECONDS = 300.0, 60.0  # of a thread, for a step of a solve, and for each slice solved at once


@contextmanager
def no_step_for_ever(worker: Worker, on_step: OnStep | None, trace: Path | None = None) -> Iterator[OnStep | None]:
    """End this process over a step of a solve that doesn't end, and note that on the ``trace``.

    Where another process solves, that one ends.

    Yields:
        What is called with each step.
    """
    if not worker.solves_here:
        yield on_step
        return
    with last_resort(step_seconds(worker.tools.solve.batch_size), trace) as anew:

        def told(step: int, steps: int) -> None:
            anew()
            if on_step:
                on_step(step, steps)

        yield told


def step_seconds(batch_size: int) -> float:
    """Of the processor, of all threads, that a step of a solve may take."""
    return of_all_threads(STEP_SECONDS + SLICE_SECONDS * batch_size)
