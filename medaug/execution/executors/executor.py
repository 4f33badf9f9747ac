"""Ways to get units done. All satisfy `Executor`; results may come in any order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Protocol, TypeVar

from medaug.errors import MedaugError, RunError, place_of
from medaug.execution.output.open import attach
from medaug.execution.planning.units import Unit
from medaug.execution.worker.attempt import Setup
from medaug.execution.worker.pipeline import Done, Step, flow
from medaug.execution.worker.worker import Bench

STRETCH = 16
T = TypeVar("T")


class Executor(Protocol):
    """Tries every unit once and yields each as it ends, with None for those that another worker has."""

    def __call__(self, setup: Setup, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
        """Yield one result per unit.

        Raises:
            MedaugError: the disk, the prior or the profile: no unit would fare better.
        """


def serial(bench: Bench, setup: Setup, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """One worker, in this process, at a bench that may be warm; the bench may solve in a process of its own."""
    try:
        yield from flow(setup, attach(setup.root), bench, units, on_step)
    finally:
        bench.close()


def stretch(left: int, workers: int) -> int:
    """How many units a worker gets at once: enough to keep its line full, and one by one when few are left."""
    return max(1, min(STRETCH, left // (2 * workers)))


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
