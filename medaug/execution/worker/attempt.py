"""One attempt at a unit, whatever happens: the one place that catches everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medaug.audit.record import Record
from medaug.errors import MedaugError, SourceError, place_of
from medaug.execution.output import quarantine
from medaug.execution.output.leases import Claim
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.unit_of_work import OUT_OF_MEMORY, OnStep, elapsed, failure, work_unit
from medaug.execution.worker.worker import Bench
from medaug.profile.profile import Profile
from medaug.storage.atomic import disk_errors

Work = Callable[[Store, Bench, Unit, Claim, OnStep | None], Record]


@dataclass(frozen=True)
class Setup:
    """What a worker needs to start, in this process or another; it can be pickled.

    Attributes:
        root: OUTPUT.
        profile: the resolved profile.
        device: ``auto``, ``cpu`` or a torch device.
        identity_reason: what the user stated about identity.
        work: what is done with a unit; a function of a module.
        apart: solve in a process of its own.
        threads: of the processor's that a solve takes; None for as many as the worker's own process would take.
    """

    root: Path
    profile: Profile
    device: str
    identity_reason: str | None
    work: Work = work_unit
    apart: bool = False
    threads: int | None = None

    def bench(self) -> Bench:
        """A worker's bench; nothing is loaded yet."""
        return Bench(self.profile, self.device, self.identity_reason, apart=self.apart, threads=self.threads)


def attempt(
    store: Store, bench: Bench, unit: Unit, work: Work = work_unit, on_step: OnStep | None = None
) -> Record | None:
    """Do a unit; a bad one becomes a record, and the export goes on.

    Returns:
        What became of it; None when another worker has it.

    Raises:
        MedaugError: the disk, the prior or the profile: no unit would fare better.
    """
    with disk_errors("a lease"), store.claim(unit.recipe.id) as claim:
        if claim is None:
            return None
        if store.holds(unit.recipe.id):
            return store.record_of(unit.recipe.id)  # another worker was faster
        started = time.monotonic()
        try:
            quarantine.check_deaths(claim.deaths)
            return work(store, bench, unit, claim, on_step)
        except Exception as error:  # noqa: BLE001 - see `settle`
            return settle(store, bench, unit, claim, error, started)


def settle(store: Store, bench: Bench, unit: Unit, claim: Claim, error: Exception, started: float) -> Record:
    """Record what went wrong with a unit, and leave it alone where trying again would end the same way.

    Raises:
        MedaugError: the error itself, when no unit would fare better.
    """
    if isinstance(error, MedaugError) and not isinstance(error, SourceError):
        raise error
    record = failure(store, bench, unit, error, place_of(error))
    store.log(record, elapsed(started))  # first: a quarantined unit without a line would be in no list
    if record.code in {OUT_OF_MEMORY, quarantine.WORKER_DIED}:
        quarantine.put(store, record, stage=(claim.deaths or ("solve",))[-1])
    return record
