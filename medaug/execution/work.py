"""One unit of work: load, augment, check, write, commit."""

from __future__ import annotations

import time
from dataclasses import asdict

from medaug import __version__, assemble
from medaug.audit.record import CheckResult, Grid, Identity, Output, PriorRef, Record, Status
from medaug.audit.record import Source as RecordedSource
from medaug.augmentation import Case, Tools, Variant, augment
from medaug.dicom.provenance import Provenance
from medaug.errors import QualityError, ReadError, SourceError
from medaug.execution.files import describe_output, write_image
from medaug.execution.plan import Unit
from medaug.execution.sources import Source
from medaug.execution.store import Store
from medaug.imaging.volume import Volume
from medaug.profile import Profile
from medaug.quality import failing
from medaug.report.pictures import write_previews


class Bench:
    """What a worker keeps between units: the prior on its device, and the source it read last.

    The prior is loaded here, so that a wrong one stops a run before OUTPUT is touched.

    Args:
        profile: the resolved profile.
        device: ``auto``, ``cpu`` or a torch device.
        identity_reason: what the user stated about identity; goes into every record.

    Raises:
        PriorError: the prior isn't what the profile pins.
    """

    def __init__(self, profile: Profile, device: str, identity_reason: str | None) -> None:
        self.profile = profile
        self.identity_reason = identity_reason
        self.device = assemble.resolve_device(device)
        self.versions = assemble.versions()
        self.tools: Tools = assemble.tools(profile, self.device)
        self._last: tuple[Source, tuple[Volume, ...]] | None = None

    def volume(self, unit: Unit) -> Volume:
        """The unit's volume; read again only when the source changes.

        Raises:
            ReadError: the source can't be read, or is no longer what was planned.
        """
        if self._last is None or self._last[0] != unit.source:
            self._last = None  # let go of the old one first
            self._last = (unit.source, unit.source.load())
        for volume in self._last[1]:
            if volume.source.key == unit.recipe.source:
                return volume
        raise ReadError(
            "the source changed since the run was planned; give the same command again", code="input-changed"
        )


def work_unit(store: Store, bench: Bench, unit: Unit) -> Record:
    """Make one variant, and commit it or record why not.

    Returns:
        The record as logged: ``written``, or ``rejected`` by the quality gate with the figures.

    Raises:
        SourceError: this unit can't be done.
        OutputError: the disk didn't take it; nothing partial is visible.
    """
    started = time.monotonic()
    source = bench.volume(unit)
    variant = augment(Case(source, unit.boxes), unit.recipe, bench.tools)
    faults = failing(variant.checks)
    if faults:
        error = QualityError("; ".join(faults))
        record = _record(store, bench, unit, "rejected", error.code, str(error), variant)
        store.log(record, elapsed(started))
        return record
    with store.staged(unit.recipe.id) as staged:
        write_image(variant, source, staged, bench.profile, provenance(store, bench, unit))
        write_previews(
            staged / "preview",
            source=source,
            result=variant.volume,
            protected=variant.regions.protected,
            observed=variant.regions.observed,
            boxes=unit.boxes,
            window=variant.window,
        )
        outputs = describe_output(staged, store.folder(unit.recipe.id).relative_to(store.root).as_posix())
        record = _record(store, bench, unit, "written", "", "", variant, outputs)
        store.commit(staged, record, elapsed(started))
    return record


def elapsed(started: float) -> float:
    """Seconds since ``started``, which `time.monotonic` gave."""
    return round(time.monotonic() - started, 3)


def failure(store: Store, bench: Bench, unit: Unit, error: Exception, where: str) -> Record:
    """The record of a unit that raised: ``failed`` for a known error, ``crashed`` for a bug."""
    if isinstance(error, SourceError):
        return _record(store, bench, unit, "failed", error.code, str(error), None)
    name = type(error).__name__
    return _record(store, bench, unit, "crashed", name, f"{name} at {where}", None)


def provenance(store: Store, bench: Bench, unit: Unit) -> Provenance:
    """What the derived instances say of themselves."""
    card, profile = bench.tools.prior.card, bench.profile
    spec = profile.solver
    return Provenance(
        unit=unit.recipe.id,
        variant=unit.recipe.variant,
        seed=str(unit.recipe.seed),
        summary=f"{spec.kind} {spec.steps} steps from {spec.start:g}, {profile.regions.kind}, {profile.restore.kind}, "
        f"profile {profile.name}",
        software_version=__version__,
        created=store.created,
        prior=f"{card.name} {card.sha256[:16]}",
    )


def _record(  # noqa: PLR0913 - the fields that differ between outcomes
    store: Store,
    bench: Bench,
    unit: Unit,
    status: Status,
    code: str = "",
    message: str = "",
    variant: Variant | None = None,
    outputs: tuple[Output, ...] = (),
) -> Record:
    reference = unit.reference
    card = bench.tools.prior.card if variant else None
    checks = variant.checks if variant else ()
    return Record(
        unit=unit.recipe.id,
        status=status,
        code=code,
        message=message,
        source=RecordedSource.of(reference, unit.patient),
        variant=unit.recipe.variant,
        seed=str(unit.recipe.seed),
        profile_sha256=unit.recipe.profile_sha256,
        prior=PriorRef(card.name, card.sha256) if card else None,
        recipe={key: str(value) for key, value in asdict(unit.recipe).items()},
        versions=bench.versions,
        device=bench.device,
        batch_size=bench.profile.batch_size,
        identity=Identity(reference.identity, bench.identity_reason or ""),
        checks=tuple(CheckResult(c.name, c.value, c.limit, c.passed) for c in checks),
        outputs=outputs,
        boxes=unit.boxes,
        geometry=Grid.of(variant.volume.geometry) if variant else None,
        created=store.created.isoformat(),
    )
