"""One unit and the worker that has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from medaug.audit.record import Record
from medaug.execution.output.leases import Lease
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.worker import Worker

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Job:
    """A unit that a worker has leased.

    Attributes:
        store: OUTPUT.
        worker: who does it.
        unit: what is to be done.
        lease: says where to stage it, and how often it was tried.
        started: `time.monotonic` at which it began, or would have, had nothing else been done meanwhile.
    """

    store: Store
    worker: Worker
    unit: Unit
    lease: Lease
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds of wall time it took until now, in milliseconds' steps."""
        return round(time.monotonic() - self.started, 3)


Work = Callable[[Job, OnStep | None], Record]
