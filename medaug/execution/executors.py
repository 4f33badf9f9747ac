"""Ways to get jobs done. All satisfy `Executor`; results may come in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class Executor(Protocol):
    """Applies ``work`` to every job and yields results as they are completed."""

    def __call__(self, work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
        """Yield one result per job."""


def serial(work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """One after the other, in this process."""
    return map(work, jobs)
