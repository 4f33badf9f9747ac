"""Ways to get units done. All satisfy `Executor`; results may come in any order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Protocol, TypeVar

from medaug.errors import MedaugError, RunError, place_of
from medaug.execution.output.open import attach
from medaug.execution.planning.units import Unit
from medaug.execution.worker.job import Work
from medaug.execution.worker.pipeline import Done, Step, work_through
from medaug.execution.worker.worker import Worker

STRETCH = 16
T = TypeVar("T")


class Executor(Protocol):
    """Tries every unit once and yields each as it ends, with None for those that another worker has."""

    def __call__(
        self, worker: Worker, work: Work, units: Collection[Unit], on_step: Step | None = None
    ) -> Iterator[Done]:
        """Yield one result per unit.

        Args:
            worker: who does them, or what others are made of.
            work: what is done with a unit; a function of a module.
            units: what to do.
            on_step: called with (unit, step, steps).

        Raises:
            MedaugError: the disk, the prior or the profile: no unit would fare better.
        """


def serial(worker: Worker, work: Work, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """One worker, in this process; it may have its prior loaded already, and may solve in a process of its own."""
    try:
        yield from work_through(worker, attach(worker.root), units, work, on_step)
    finally:
        worker.close()


def stretch(left: int, workers: int, io_workers: int = 0) -> int:
    """How many units a worker gets at once: enough to keep its pipeline full, and one by one when few are left.

    Between two stretches the pipeline runs empty, so where many processes read and write for a worker, one is longer.
    """
    return max(1, min(STRETCH * max(1, 4 * io_workers), left // (2 * workers)))


def guarded(work: Callable[[], T]) -> T | MedaugError:
    """Do ``work`` in a worker; what goes wrong comes back as a value, so that the run hears of it."""
    try:
        return work()
    except MedaugError as error:
        return error
    except Exception as error:  # noqa: BLE001 - only the place is shown
        return RunError(
            f"a worker met an unexpected {type(error).__name__} at {place_of(error)}; please report this line"
        )
