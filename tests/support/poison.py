"""Work that ends the process that does it."""

from __future__ import annotations

import os
import signal

from medaug.audit.record import Record
from medaug.errors import OutputError
from medaug.execution.output.leases import Claim
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.unit_of_work import OnStep
from medaug.execution.worker.worker import Bench
from tests.support import null

POISON = null.unit(3).recipe.id


def poisoned(store: Store, bench: Bench, unit: Unit, claim: Claim, on_step: OnStep | None = None) -> Record:
    """One unit kills its worker each time, one kills it once, and the others are done."""
    claim.stage("solve")
    if on_step:
        on_step(1, 2)
    if unit.recipe.id == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    if unit.recipe.id == null.unit(4).recipe.id and not claim.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return null.work(store, bench, unit, claim, on_step)


def full(_store: Store, _bench: Bench, _unit: Unit, _claim: Claim, _on_step: OnStep | None = None) -> Record:
    """A disk that takes nothing."""
    raise OutputError("OUTPUT: no room")
