"""One unit of work: load, augment, check, write, commit."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from medaug.audit.layout import PREVIEW
from medaug.audit.record import CheckResult, Grid, Identity, Output, PriorRef, Record, RecordedSource, Status
from medaug.augmentation.augment import Presented, bring_back, present
from medaug.augmentation.augment import solve as solve_case
from medaug.augmentation.case import Case, Variant
from medaug.augmentation.restore import Solution
from medaug.augmentation.tools import Tools
from medaug.dicom.write.provenance import Provenance
from medaug.errors import QualityError, SourceError, counted
from medaug.execution.output.leases import Claim
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.image_files import describe_output, write_image
from medaug.execution.worker.worker import Bench
from medaug.imaging.volume import Volume
from medaug.profile.profile import Profile
from medaug.quality import failing
from medaug.report.pictures import write_previews
from medaug.storage.atomic import disk_errors
from medaug.version import __version__

BACK_OFFS = 3  # how often the batch is halved when memory doesn't suffice
OUT_OF_MEMORY = "out-of-memory"
NAME_LENGTH = 64  # of a prior's or a profile's name in headers
_NO_MEMORY = (
    "out of memory",  # CUDA
    "can't allocate memory",  # torch's allocator on a processor
    "not enough memory",  # the same on Windows
    "ALLOC_FAILED",  # cuBLAS and cuDNN
)
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a unit, apart from what is known beforehand.

    Attributes:
        status: as in the record.
        code: as in the record.
        message: as in the record.
        variant: where there is one.
        outputs: files of a written unit.
        batch_size: slices that were solved at once; None where none was.
    """

    status: Status
    code: str = ""
    message: str = ""
    variant: Variant | None = None
    outputs: tuple[Output, ...] = ()
    batch_size: int | None = None


@dataclass(frozen=True, eq=False)
class Ready:
    """A unit that was read and presented.

    Attributes:
        source: its volume.
        stated: what the derived instances will say of themselves.
        presented: what is to be solved.
    """

    source: Volume
    stated: Provenance
    presented: Presented


def work_unit(store: Store, bench: Bench, unit: Unit, claim: Claim, on_step: OnStep | None = None) -> Record:
    """Make one variant, and commit it or record why not.

    Returns:
        The record as logged: ``written``, or ``rejected`` by the quality gate with the figures.

    Raises:
        SourceError: this unit can't be done.
        OutputError: the disk didn't take it; nothing partial is visible.
    """
    started = time.monotonic()
    ready = prepare(store, bench, unit, claim)
    claim.stage("solve")
    solution, batch = solve(ready.presented, bench.tools, on_step)
    return finish(store, bench, unit, claim, ready, Answer(solution, batch, started))


def prepare(store: Store, bench: Bench, unit: Unit, claim: Claim) -> Ready:
    """Read a unit and present it; what can't be stated in headers fails here, before the solve."""
    claim.stage("read")
    source = bench.volume(unit)
    stated = provenance(store, bench, unit)
    return Ready(source, stated, present(Case(source, unit.boxes, unit.mask), unit.recipe, bench.tools))


@dataclass(frozen=True, eq=False)
class Answer:
    """What the solver gave.

    Attributes:
        solution: for every slice.
        batch: how many slices were solved at once.
        started: `time.monotonic` at which the unit would have begun, had nothing else been done meanwhile.
    """

    solution: Solution
    batch: int
    started: float


def finish(store: Store, bench: Bench, unit: Unit, claim: Claim, ready: Ready, answer: Answer) -> Record:
    """Restore, check, write and commit; or record why the gate refused it."""
    claim.stage("write")
    variant = bring_back(ready.presented, answer.solution, bench.tools)
    faults = failing(variant.checks)
    if faults:
        error = QualityError("; ".join(faults))
        refused = Outcome("rejected", error.code, str(error), variant, batch_size=answer.batch)
        record = to_record(store, bench, unit, refused)
        store.log(record, elapsed(answer.started))
        return record
    with disk_errors(f"unit {unit.recipe.id[:16]}"):
        claim.folder.mkdir()
        written = write_image(variant, ready.source, claim.folder, bench.profile, ready.stated, bench.originals)
        backdrop = bench.backdrops.of(
            ready.source, variant.regions.protected, unit.boxes, variant.window, variant.domain
        )
        dust = variant.regions.observed & ~variant.regions.protected
        write_previews(claim.folder / PREVIEW, backdrop, result=variant.volume, dust=dust)
        final = store.folder(unit.recipe.id).relative_to(store.root).as_posix()
        outputs = describe_output(claim.folder, final, written)
        done = Outcome("written", variant=variant, outputs=outputs, batch_size=answer.batch)
        record = to_record(store, bench, unit, done)
        store.commit(claim.folder, record, elapsed(answer.started))
    return record


def solve(presented: Presented, tools: Tools, on_step: OnStep | None = None) -> tuple[Solution, int]:
    """Solve a unit by itself; when memory doesn't suffice, with half the batch, at most `BACK_OFFS` times.

    Returns:
        The solution, and how many slices were solved at once.

    Raises:
        SourceError: ``out-of-memory``: not even the smallest batch fits.
    """
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


def failure(store: Store, bench: Bench, unit: Unit, error: Exception, where: str) -> Record:
    """The record of a unit that raised: ``failed`` for a known error, ``crashed`` for a bug.

    What makes a unit fail may make its record fail, too; then the record goes without boxes and without the sentence.
    """
    if out_of_memory(error) and not isinstance(error, SourceError):
        words = "the machine's memory doesn't hold this unit; give it more, or start fewer workers"
        error = SourceError(words, code=OUT_OF_MEMORY)
    name = type(error).__name__
    known = isinstance(error, SourceError)
    code = error.code if isinstance(error, SourceError) else "crashed"
    outcome = Outcome("failed" if known else "crashed", code, str(error) if known else f"{name} at {where}")
    try:
        record = to_record(store, bench, unit, outcome)
        record.to_json()
    except ValueError:
        bare = replace(outcome, message=f"{code}; its labels or its message can't be recorded")
        return to_record(store, bench, replace(unit, boxes=()), bare)
    return record


def provenance(store: Store, bench: Bench, unit: Unit) -> Provenance:
    """What the derived instances say of themselves."""
    card, profile = bench.tools.solve.prior.card, bench.profile
    spec = profile.solver
    pulled = "".join(f", {name} {value}" for name, value in profile.levers.model_dump(exclude_defaults=True).items())
    return Provenance(
        unit=unit.recipe.id,
        variant=unit.recipe.variant,
        seed=str(unit.recipe.seed),
        summary=f"{spec.kind} {spec.steps} steps from {spec.start:g}{pulled}, {_seen(profile)}, "
        f"{profile.restore.kind}, profile {_plain(profile.name)}",
        software_version=__version__,
        created=store.created,
        prior=f"{_plain(card.name)} {card.sha256[:16]}",
        run=store.run,
    )


def _seen(profile: Profile) -> str:
    """What the solver was shown: the law of the regions, and the operator with its numbers where there is one."""
    operator = profile.operator
    if operator.kind == "none":
        return profile.regions.kind
    numbers = " ".join(f"{value:g}" for name, value in operator.model_dump().items() if name != "kind")
    return f"{profile.regions.kind} beside {operator.kind} {numbers}"


def to_record(store: Store, bench: Bench, unit: Unit, outcome: Outcome) -> Record:
    """What is kept of a unit that ended this way."""
    reference, variant = unit.reference, outcome.variant
    card = bench.tools.solve.prior.card if variant else None
    checks = variant.checks if variant else ()
    return Record(
        unit=unit.recipe.id,
        status=outcome.status,
        code=outcome.code,
        message=outcome.message,
        source=RecordedSource.of(reference, store.token(reference)),
        variant=unit.recipe.variant,
        seed=str(unit.recipe.seed),
        profile_sha256=unit.recipe.profile_sha256,
        prior=PriorRef(card.name, card.sha256) if card else None,
        recipe=unit.recipe.plain,
        versions=bench.versions,
        device=bench.device,
        batch_size=outcome.batch_size or bench.profile.batch_size,
        identity=Identity(reference.identity, bench.identity_reason or ""),
        checks=tuple(CheckResult(c.name, c.value, c.limit, c.passed) for c in checks),
        outputs=outcome.outputs,
        boxes=unit.boxes,
        geometry=Grid.of(variant.volume.geometry) if variant else None,
        created=store.created.isoformat(),
        threads=bench.threads if variant else None,
    )


def elapsed(started: float) -> float:
    """Seconds of wall time since ``started`` (`time.monotonic`), in milliseconds' steps."""
    return round(time.monotonic() - started, 3)


def _plain(name: str) -> str:
    """A name as every character set of DICOM can hold it."""
    return "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in name)[:NAME_LENGTH]


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
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
