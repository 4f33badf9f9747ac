"""Ways to get units done. All satisfy `Executor`; results may come in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from medaug.audit.record import Record
from medaug.execution.attempt import Setup, attempt
from medaug.execution.opening import attach
from medaug.execution.plan import Unit
from medaug.execution.work import Bench

Done = tuple[Unit, Record | None]
Step = Callable[[Unit, int, int], None]


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
