"""One attempt at a unit, whatever happens: the one place that catches everything."""

from __future__ import annotations

from medaug.audit.record import Record
from medaug.errors import MedaugError, ReadError, SourceError, place_of
from medaug.execution.output import quarantine
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.job import Job, OnStep, Work
from medaug.execution.worker.unit_of_work import failure, work_unit
from medaug.execution.worker.worker import Worker, input_changed
from medaug.imaging.volume import SourceRef
from medaug.processes.time_limit import TIME_LIMIT
from medaug.storage.archive import sha256_of
from medaug.storage.atomic import disk_errors


def attempt(
    store: Store, worker: Worker, unit: Unit, work: Work = work_unit, on_step: OnStep | None = None
) -> Record | None:
    """Do a unit; a bad one becomes a record, and the export goes on.

    Returns:
        What became of it; None when another worker has it.

    Raises:
        MedaugError: the disk, the prior or the profile: no unit would fare better.
    """
    with disk_errors("a lease"), store.lease(unit.recipe.id) as lease:
        if lease is None:
            return None
        if store.holds(unit.recipe.id):
            return store.record_of(unit.recipe.id)  # another worker was faster
        job = Job(store, worker, unit, lease)
        try:
            quarantine.check_deaths(lease.deaths, lease.overtime)
            return work(job, on_step)
        except Exception as error:  # noqa: BLE001 - see `settle`
            return settle(job, error)


def settle(job: Job, error: Exception) -> Record:
    """Record what went wrong with a unit, and leave it alone where trying again would end the same way.

    Raises:
        MedaugError: the error itself, when no unit would fare better.
    """
    if isinstance(error, MedaugError) and not isinstance(error, SourceError):
        raise error
    donor = job.unit.donor
    planned = (job.unit.reference, *([donor.reference] if donor else []))
    if isinstance(error, ReadError) and not all(map(_as_planned, planned)):
        error = input_changed()
    record = failure(job, error, place_of(error))
    job.store.log(record, job.elapsed)  # first: a quarantined unit without a line would be in no list
    if record.code in quarantine.MEANINGS:
        quarantine.put(job.store, record, stage=_stage(job, record))
    return record


def _stage(job: Job, record: Record) -> str:
    """How far the unit got, in this attempt or in the one that it killed; memory is short in solves."""
    if record.code == TIME_LIMIT:
        return job.lease.overtime or job.lease.stages[-1]
    return (job.lease.stages or job.lease.deaths or ("solve",))[-1]


def _as_planned(reference: SourceRef) -> bool:
    """Whether all of a source's files are there with the bytes that it was planned from."""
    files = dict(zip(reference.files, reference.sha256, strict=False))
    try:
        return all(sha256_of(path) == digest for path, digest in files.items())
    except (OSError, ReadError):
        return False
