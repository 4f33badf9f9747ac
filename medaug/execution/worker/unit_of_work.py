"""One unit of work: load, augment, check, write, commit."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace

from medaug.audit.layout import PREVIEW
from medaug.audit.record import CheckResult, Grid, Identity, Output, PriorRef, Record, RecordStatus
from medaug.audit.recorded_source import RecordedMotion, RecordedSource, Transplanted
from medaug.augmentation.augment import Begun, begin, finished
from medaug.augmentation.augment import solve_slices as solve_case
from medaug.augmentation.case import Case, Variant
from medaug.augmentation.solve import SolvedSlice, ToSolve
from medaug.dicom.identity import identity_of_all
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.stated import stated
from medaug.errors import QualityError, SourceError, counted
from medaug.execution.planning.units import Unit
from medaug.execution.worker.image_files import describe_output, write_image
from medaug.execution.worker.job import Job, OnStep
from medaug.execution.worker.step_limit import no_step_for_ever
from medaug.execution.worker.worker import Worker
from medaug.imaging.graft import in_words as graft_in_words
from medaug.imaging.motion import in_words
from medaug.imaging.volume import Volume
from medaug.processes.processor import processor
from medaug.processes.time_limit import limited
from medaug.profile.components import keeps_boxes
from medaug.quality import failing
from medaug.report.pictures import NAMES, OF_A_COPY, write_previews
from medaug.storage.atomic import disk_errors

BACK_OFFS = 3  # how often the batch is halved when memory doesn't suffice
OUT_OF_MEMORY = "out-of-memory"
STAGE_SECONDS, STAGE_BYTES_PER_SECOND = 120.0, 2e5  # of the processor for each stage, and for the stored numbers
_NO_MEMORY = (
    "out of memory",  # CUDA
    "can't allocate memory",  # torch's allocator on a processor
    "not enough memory",  # the same on Windows
    "ALLOC_FAILED",  # cuBLAS and cuDNN
)


def work_unit(job: Job, on_step: OnStep | None = None) -> Record:
    """Make one variant, and commit it or record why not.

    Returns:
        The record as logged: ``written``, or ``rejected`` by the quality gate with the figures.

    Raises:
        SourceError: this unit can't be done.
        OutputError: the disk didn't take it; nothing partial is visible.
    """
    job.lease.stage("read")
    presented = prepare(job)
    job.lease.stage("solve")
    with no_step_for_ever(job.worker, on_step, job.lease.trace) as step:
        solved = solve(job.worker, presented, step)
    job.lease.stage("write")
    return finish(job, presented, *solved)


def prepare(job: Job) -> Begun:
    """Read a unit and present it; what can't be stated in headers fails here, before the solve."""
    unit = job.unit
    with limited(_seconds(job), "reading it", job.lease.trace):
        source = job.worker.volume(unit)
        provenance(job)
        donor = job.worker.donor(unit)
        return begin(Case(source, unit.boxes, unit.mask, donor), unit.recipe, job.worker.tools)


def finish(job: Job, presented: Begun, solved: Sequence[SolvedSlice], batch_size: int) -> Record:
    """Restore, check, write and commit; or record why the gate refused it.

    Args:
        job: the unit.
        presented: what `prepare` gave.
        solved: every one of its slices.
        batch_size: how many slices were solved at once.
    """
    record = stage(job, presented, solved, batch_size)
    publish(job, record)
    return record


def stage(job: Job, presented: Begun, solved: Sequence[SolvedSlice], batch_size: int) -> Record:
    """All of `finish` but the commit: a unit is complete in its staging folder, or refused; its record."""
    with limited(_seconds(job), "checking it", job.lease.trace):
        variant = finished(presented, solved, job.worker.tools)
    faults = failing(variant.checks)
    if faults:
        error = QualityError("; ".join(faults))
        return to_record(job, "rejected", error.code, str(error), variant, batch_size=batch_size)
    with disk_errors(f"unit {job.unit.recipe.id[:16]}"):
        with limited(_seconds(job), "writing it", job.lease.trace):  # and what comes after is done whole
            outputs = _write(job, presented.source, variant)
        record = to_record(job, "written", variant=variant, outputs=outputs, batch_size=batch_size)
        job.store.complete(job.lease.folder, record)
    return record


def publish(job: Job, record: Record) -> None:
    """The commit of what `stage` left: visible with its line, or a line that says why it was refused."""
    if record.status == "written":
        job.store.publish(job.lease.folder, record, job.elapsed)
    else:
        job.store.log(record, job.elapsed)


def _seconds(job: Job) -> float:
    """Of the processor, that each stage of a unit but its solve may take; its steps decide how long that is."""
    return STAGE_SECONDS + job.unit.bytes / STAGE_BYTES_PER_SECOND


def _write(job: Job, source: Volume, variant: Variant) -> tuple[Output, ...]:
    """Every file of a unit but its record, in its staging folder."""
    folder, worker = job.lease.folder, job.worker
    folder.mkdir()
    said = _said(provenance(job), job.unit, variant)
    written = write_image(variant, source, folder, worker.profile, said, worker.originals, worker.templates)
    protected, names = variant.regions.protected, NAMES
    if not worker.profile.generates:  # nothing is told apart, and nothing differs from what it was laid over
        protected, names = variant.changed, OF_A_COPY
    backdrop = worker.backdrops.of(source, protected, variant.boxes, variant.window, variant.domain, variant.before)
    dust = variant.regions.observed & ~variant.regions.protected
    write_previews(folder / PREVIEW, backdrop, result=variant.volume, dust=dust, names=names)
    return describe_output(folder, job.store.folder(job.unit.recipe.id).relative_to(job.store.root).as_posix(), written)


def _said(stated: Provenance, unit: Unit, variant: Variant) -> Provenance:
    """With what was drawn from pixels: how the source was moved, and what was set in."""
    if variant.motions:
        scale = 1.0 if stated.generated else variant.motions.scale
        return replace(stated, moved=in_words(variant.motions), scale=scale)
    if variant.graft and unit.donor:
        instance = unit.donor.sop_class, unit.donor.reference.instance_uids[0]
        donor = instance if unit.donor.sop_class else None
        return replace(stated, set_in=graft_in_words(variant.graft), donor=donor)
    return stated


def _identity(unit: Unit) -> str:
    """What the unit's sources declare; of host and donor, what the less safe one does."""
    if unit.donor is None:
        return unit.reference.identity
    return identity_of_all((unit.reference.identity, unit.donor.reference.identity))


def _transplanted(job: Job, variant: Variant | None) -> Transplanted | None:
    unit = job.unit
    if variant is None or variant.graft is None or unit.donor is None:
        return None
    reference = unit.donor.reference
    donor = RecordedSource.of(reference, job.store.token(reference))
    return Transplanted(donor, unit.donor.sop_class, unit.donor.box, variant.graft, unit.boxes)


def solve(worker: Worker, presented: ToSolve, on_step: OnStep | None = None) -> tuple[list[SolvedSlice], int]:
    """Solve a unit by itself; when memory doesn't suffice, with half the batch, at most `BACK_OFFS` times.

    Returns:
        Its solved slices, and how many were solved at once.

    Raises:
        SourceError: ``out-of-memory``: not even the smallest batch fits.
    """
    tools = worker.tools
    batch = tools.solve.batch_size
    for _ in range(BACK_OFFS + 1):
        try:
            return solve_case(presented, tools.with_batch(batch), on_step), batch
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        let_go()
        if batch == 1:
            break
        batch = max(1, batch // 2)
    raise SourceError(
        f"the memory of {tools.solve.device} doesn't hold {counted(batch, 'slice')} at {tools.present.size} px; use a "
        "device with more, or a profile with a smaller size",
        code=OUT_OF_MEMORY,
    )


def failure(job: Job, error: Exception, where: str) -> Record:
    """The record of a unit that raised: ``failed`` for a known error, ``crashed`` for a bug.

    What makes a unit fail may make its record fail, too; then the record goes without boxes and without the sentence.
    """
    if out_of_memory(error) and not isinstance(error, SourceError):
        words = "the machine's memory doesn't hold this unit; give it more, or start fewer workers"
        error = SourceError(words, code=OUT_OF_MEMORY)
    status: RecordStatus = "failed" if isinstance(error, SourceError) else "crashed"
    code = error.code if isinstance(error, SourceError) else "crashed"
    message = str(error) if isinstance(error, SourceError) else f"{type(error).__name__} at {where}"
    try:
        record = to_record(job, status, code, message)
        record.to_json()
    except ValueError:
        bare = replace(job, unit=replace(job.unit, boxes=()))
        return to_record(bare, status, code, f"{code}; its labels or its message can't be recorded")
    return record


def provenance(job: Job) -> Provenance:
    """What the derived instances say of themselves."""
    card, recipe = job.worker.tools.solve.prior.card, job.unit.recipe
    return stated(
        job.worker.profile,
        unit=recipe.id,
        variant=recipe.variant,
        seed=str(recipe.seed),
        run=job.store.run,
        created=job.store.created,
        prior=(card.name, card.sha256),
    )


def to_record(
    job: Job,
    status: RecordStatus,
    code: str = "",
    message: str = "",
    variant: Variant | None = None,
    outputs: tuple[Output, ...] = (),
    batch_size: int | None = None,
) -> Record:
    """What is kept of a unit that ended this way; without a batch size, none of it was solved."""
    unit, worker, reference = job.unit, job.worker, job.unit.reference
    generates = worker.profile.generates
    card = worker.tools.solve.prior.card if variant and generates else None
    checks = variant.checks if variant else ()
    return Record(
        unit=unit.recipe.id,
        status=status,
        code=code,
        message=message,
        source=RecordedSource.of(reference, job.store.token(reference)),
        variant=unit.recipe.variant,
        seed=str(unit.recipe.seed),
        profile_sha256=unit.recipe.profile_sha256,
        prior=PriorRef(card.name, card.sha256) if card else None,
        recipe=unit.recipe.plain,
        versions=worker.versions,
        device=worker.device,
        batch_size=batch_size or worker.profile.rows,
        identity=Identity(_identity(unit), worker.request.accept_identity or ""),
        checks=tuple(CheckResult(c.name, c.value, c.limit, c.passed) for c in checks),
        outputs=outputs,
        boxes=variant.boxes if variant else unit.boxes,
        geometry=Grid.of(variant.volume.geometry) if variant else None,
        created=job.store.created.isoformat(),
        threads=worker.threads if variant else None,
        processor=processor(),
        moved=RecordedMotion(variant.motions, unit.boxes) if variant and variant.motions else None,
        labels="box-alone" if variant and not keeps_boxes(worker.profile.regions.kind) else "",
        converted=variant.volume.converted if variant else "",
        transplant=_transplanted(job, variant),
        kind="" if generates else "classic",
    )


def out_of_memory(error: BaseException) -> bool:
    """Of the device or of the machine; libraries say it in errors of their own, or in words."""
    if isinstance(error, SourceError):
        return error.code == OUT_OF_MEMORY
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and any(word in text for word in _NO_MEMORY))


def let_go() -> None:
    """Give back what the device keeps for later."""
    from medaug.inverse import device

    device.let_go()
