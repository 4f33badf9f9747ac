"""Work that ends the process that does it."""

from __future__ import annotations

import os
import re
import signal

from medaug.audit.record import Record
from medaug.errors import OutputError
from medaug.execution.worker.job import Job, OnStep
from medaug.processes import time_limit
from tests.support import null

POISON = null.unit(3).recipe.id


def poisoned(job: Job, on_step: OnStep | None = None) -> Record:
    """One unit kills its worker each time, one kills it once, and the others are done."""
    job.lease.stage("solve")
    if on_step:
        on_step(1, 2)
    if job.unit.recipe.id == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    if job.unit.recipe.id == null.unit(4).recipe.id and not job.lease.deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return null.work(job, on_step)


def endless(job: Job, on_step: OnStep | None = None) -> Record:
    """One unit meets a call of C that never returns and lets no other thread run; the others are done."""
    job.lease.stage("read")
    if job.unit.recipe.id == POISON:
        time_limit.SPARE = 0  # in a process that ends over it
        with time_limit.limited(0.2, "reading it", job.lease.trace):
            re.match("(a+)+$", "a" * 60 + "b")
    return null.work(job, on_step)


def full(_job: Job, _on_step: OnStep | None = None) -> Record:
    """A disk that takes nothing."""
    raise OutputError("OUTPUT: no room")
