"""Do what a plan says: unit by unit, each committed whole or recorded with its reason."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from medaug.audit.record import Record
from medaug.audit.seal import seal
from medaug.errors import MedaugError, OutputError, SourceError, place_of
from medaug.execution.executors import Executor, serial
from medaug.execution.plan import Plan, Unit, plan
from medaug.execution.sources import Skip
from medaug.execution.store import Store, disk_errors, open_store
from medaug.execution.work import Bench, elapsed, failure, work_unit
from medaug.manifests.coco import write_coco
from medaug.manifests.monai import write_monai
from medaug.profile import Profile
from medaug.report.page import write_page

FINAL = {"written", "rejected"}  # the same recipe would end the same way; failures are tried again


@dataclass(frozen=True)
class Progress:
    """One unit is done.

    Attributes:
        done: units done in this call.
        total: units to do in this call.
        record: what became of it.
        eta_seconds: estimated time left, from the mean so far.
    """

    done: int
    total: int
    record: Record
    eta_seconds: float


@dataclass(frozen=True)
class Summary:
    """What a run left behind.

    Attributes:
        output: OUTPUT.
        records: the last record of every unit in OUTPUT.
        skips: sources that were left out.
        unmatched: annotations that fit no image.
        planned: units of this plan.
        already_done: of them, those that needed nothing.
    """

    output: Path
    records: tuple[Record, ...]
    skips: tuple[Skip, ...]
    unmatched: tuple[str, ...]
    planned: int
    already_done: int

    @property
    def counts(self) -> Counter[str]:
        """Units by status: written, rejected, failed, crashed."""
        return Counter(record.status for record in self.records)

    @property
    def exit_code(self) -> int:
        """0 all done, 3 nothing usable, 4 partial (house.md, Errors)."""
        if not self.counts["written"]:
            return 3
        incomplete = sum(self.counts.values()) > self.counts["written"] or any(skip.refused for skip in self.skips)
        return 4 if incomplete or self.unmatched else 0


def run(  # noqa: PLR0913 - the user's choices, each with a name
    input: str | Path,  # noqa: A002 - the word the documentation uses
    output: str | Path,
    *,
    profile: str | Profile,
    annotations: str | Path | Sequence[str | Path],
    variants: int = 1,
    seed: int = 0,
    device: str = "auto",
    identity_reason: str | None = None,
    annotation_format: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Augment an export. The same call again continues, or finds nothing to do.

    Args:
        input: a folder or file of DICOM and NIfTI; never changed.
        output: a new folder, or one that the same profile made before.
        profile: a shipped profile's name, a path, or a profile.
        annotations: one or more files or folders with boxes.
        variants: variants per source, at least 1.
        seed: the run's seed.
        device: ``auto``, ``cpu`` or a torch device.
        identity_reason: why the export may be used although it doesn't declare that identity was removed.
        annotation_format: a name of docs/annotations.md for all of ``annotations``, or None to tell by content.
        on_progress: called after each unit.

    Raises:
        ProfileError: the profile is wrong.
        PriorError: the prior isn't what the profile pins.
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
        OutputError: OUTPUT can't be used; nothing partial is visible.
    """
    source_root, root = Path(input), Path(output)
    _apart(source_root, root)
    planned = plan(
        source_root,
        profile=profile,
        annotations=annotations,
        variants=variants,
        seed=seed,
        identity_reason=identity_reason,
        annotation_format=annotation_format,
    )
    return execute(planned, root, device=device, on_progress=on_progress)


def execute(
    planned: Plan,
    output: Path,
    *,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
    executor: Executor = serial,
) -> Summary:
    """Do what ``planned`` says and write the manifests and the page.

    Raises:
        PriorError: the prior isn't what the profile pins.
        OutputError: OUTPUT can't be used; nothing partial is visible.
    """
    if not planned.units and not (output / "FORMAT.json").exists():
        return Summary(output, (), planned.skips, planned.unmatched, 0, 0)
    bench = Bench(planned.profile, device, planned.identity_reason)
    store = open_store(output, planned.profile, _now())
    finished = {record.unit for record in store.records() if record.status in FINAL}
    todo = [unit for unit in planned.units if unit.recipe.id not in finished]
    if todo:
        _check_space(store, planned, todo)
        started = time.monotonic()
        for done, record in enumerate(executor(partial(_safely, store, bench), todo), start=1):
            if on_progress:
                left = (time.monotonic() - started) / done * (len(todo) - done)
                on_progress(Progress(done, len(todo), record, left))
    records = store.records()
    with disk_errors("the manifests"):
        write_monai(records, store.root)
        write_coco(records, store.root)
        write_page(records, store.root, skipped=[(skip.code, skip.reason, skip.files) for skip in planned.skips])
        seal(store.root)
    return Summary(
        output, records, planned.skips, planned.unmatched, len(planned.units), len(planned.units) - len(todo)
    )


def _safely(store: Store, bench: Bench, unit: Unit) -> Record:
    """The one place that catches everything: a bad unit becomes a record, and the export goes on."""
    started = time.monotonic()
    try:
        return work_unit(store, bench, unit)
    except Exception as error:
        if isinstance(error, MedaugError) and not isinstance(error, SourceError):
            raise  # the disk, the prior or the profile: no unit would fare better
        record = failure(store, bench, unit, error, place_of(error))
        store.log(record, elapsed(started))
        return record


def _check_space(store: Store, planned: Plan, todo: Sequence[Unit]) -> None:
    share = len(todo) / max(1, len(planned.units))
    needed, free = int(planned.bytes * share), shutil.disk_usage(store.root).free
    if free < needed:
        raise OutputError(
            f"OUTPUT: about {needed / 1e6:.0f} MB are needed for {len(todo)} units, {free / 1e6:.0f} MB are free; "
            "free or grow the disk, then give the same command again: it continues"
        )


def _apart(source: Path, output: Path) -> None:
    """OUTPUT inside INPUT would be read as input by the next run; INPUT inside OUTPUT would be written to."""
    a, b = source.resolve(), output.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise OutputError("OUTPUT and INPUT must lie apart: neither may be inside the other")


def _now() -> datetime:
    """Now, or SOURCE_DATE_EPOCH where it is set (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)
