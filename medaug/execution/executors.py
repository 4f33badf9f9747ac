"""Ways to get units done. All satisfy `Executor`; results may come in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from medaug.audit.record import Record
from medaug.errors import MedaugError, RunError, place_of
from medaug.execution.attempt import Setup, attempt
from medaug.execution.opening import attach
from medaug.execution.plan import Unit
from medaug.execution.work import Bench

Done = tuple[Unit, Record | None]
Step = Callable[[Unit, int, int], None]
T = TypeVar("T")


class Executor(Protocol):
    """Tries every unit once and yields each as it ends, with None for those that another worker has."""

    def __call__(self, setup: Setup, units: Sequence[Unit], on_step: Step | None = None) -> Iterator[Done]:
        """Yield one result per unit.

        Raises:
            MedaugError: the disk, the prior or the profile: no unit would fare better.
        """


def serial(bench: Bench, setup: Setup, units: Sequence[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """One after the other, in this process, at a bench that may be warm."""
    store = attach(setup.root)
    for unit in units:
        yield unit, attempt(store, bench, unit, setup.work, partial(on_step, unit) if on_step else None)


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
