"""Do what a plan says: unit by unit, each committed whole or recorded with its reason."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Unpack, assert_never

from medaug.audit.layout import FORMAT
from medaug.audit.record import Record
from medaug.errors import MedaugError, OutputError, RunError, counted
from medaug.execution.executors.executor import Executor, serial
from medaug.execution.executors.processes import processes
from medaug.execution.executors.ray_cluster import cluster
from medaug.execution.output import quarantine
from medaug.execution.output.lists import listing_of, write_lists
from medaug.execution.output.names import write_names
from medaug.execution.output.open import open_store
from medaug.execution.output.store import Ended, Store
from medaug.execution.planning.naming import Naming
from medaug.execution.planning.plan import Plan, plan
from medaug.execution.planning.request import MANY, RunOptions, RunRequest
from medaug.execution.planning.units import Unit
from medaug.execution.summary import Progress, Stage, Summary
from medaug.execution.worker.job import Work
from medaug.execution.worker.pipeline import Done, Step
from medaug.execution.worker.unit_of_work import work_unit
from medaug.execution.worker.worker import Worker
from medaug.storage.disk_map import DiskMap, Reiterable, among

WAIT = 1.0  # seconds between looks at units that other workers have
FINAL = {"written", "rejected"}  # the same recipe would end the same way; failures are tried again
ENOUGH = 20  # units after which the share of failures says something
PAIRS_ALONE = frozenset({"no-place"})  # codes that say something of one host and one donor, and nothing of the run


def run(
    input: str | Path,  # noqa: A002 - the option's word
    output: str | Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[RunOptions],
) -> Summary:
    """Augment an export. The same call again continues, or finds nothing to do.

    Args:
        input: a folder, file or zip archive of images; never changed.
        output: a new folder, or one that the same call made before.
        on_progress: called after each unit.
        options: ``profile``, ``annotations`` and any other option of ``medaug run``, see `RunRequest`.

    Raises:
        ProfileError: the profile is wrong.
        PriorError: the prior isn't what the profile pins.
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
        OutputError: OUTPUT can't be used; nothing partial is visible.
        RunError: the run makes no sense as it is set up.
    """
    check_disjoint(Path(input), Path(output))
    return execute(plan(input, **options), Path(output), on_progress=on_progress)


def execute(
    planned: Plan,
    output: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_step: Step | None = None,
    on_stage: Callable[[Stage], None] | None = None,
    work: Work = work_unit,
) -> Summary:
    """Do what ``planned`` says and write the manifests and the page, also when it is stopped on the way.

    Args:
        planned: what to do; its request says how.
        output: OUTPUT.
        on_progress: called after each unit.
        on_step: called with (unit, step, steps) during each unit.
        on_stage: called before the prior is loaded, and before the first unit.
        work: what is done with a unit.

    Raises:
        PriorError: the prior isn't what the profile pins.
        OutputError: OUTPUT can't be used; nothing partial is visible.
        RunError: more units fail than the request allows.
    """
    if not planned.units and not (output / FORMAT).exists():
        return Summary(output, (), planned.skips, planned.unmatched, 0, 0, planned.notes)
    on_stage = on_stage or _unheard
    if planned.profile.generates:
        on_stage(Stage("prior"))
    request, worker = planned.request, _worker(planned, output, work)
    naming = Naming(request.input, output, request.plain_names, request.with_sources)
    listing = listing_of(planned.units, planned.skips, naming)
    store, ended = open_store(output, planned.profile, listing, moment(), key_file=request.key, extend=request.extend)
    write_names(store, planned.units, naming)
    mine = planned.units if request.shard is None else share(planned.units, request.shard)
    todo = unfinished(store, ended, mine)
    _check_space(store, planned, todo)
    before = len(mine) - len(todo)
    on_stage(Stage("units", before, len(mine)))
    outcomes = _until_done(store, partial(_executor(request), worker, work, on_step=on_step), todo)
    try:
        with closing(outcomes):  # an interruption may come while it is suspended: its workers end before the lists
            _watch(outcomes, (before, len(todo)), request.max_failures, on_progress)
    except BaseException:
        with suppress(MedaugError, OSError):  # what stopped the run is what the user is told
            write_lists(store)
        raise
    records = write_lists(store)
    keys = listing.units if request.shard is None else listing_of(mine).units
    return Summary(
        output,
        among(records, lambda record: record.unit, keys),
        planned.skips,
        planned.unmatched,
        len(mine),
        before,
        (*planned.notes, *naming.note(listing.sources.values())),
        sum(unit not in listing.units for unit in records.units),
        len(planned.units) - len(mine),
    )


def _worker(planned: Plan, output: Path, work: Work) -> Worker:
    """The worker of a run; where it works in this process, a wrong prior stops the run before OUTPUT is made."""
    request, many = planned.request, len(planned.units) >= MANY
    serially = request.chosen_executor == "serial" and work is work_unit
    io_workers = request.io_workers if many or request.io_workers is not None else 0
    worker = Worker(
        request, output, solver_process=serially and many, io_workers=io_workers, sharing=request.workers or 1
    )
    if not (output / FORMAT).exists() and serially:
        _ = worker.tools
    return worker


def _executor(request: RunRequest) -> Executor:
    match request.chosen_executor:
        case "serial":
            return serial
        case "processes":
            return processes
        case "ray":
            return cluster
        case _:
            assert_never(request.chosen_executor)


def _until_done(
    store: Store, pass_over: Callable[[Collection[Unit]], Iterator[Done]], todo: Collection[Unit]
) -> Generator[Record]:
    """Pass over the units until none is left; those that other workers have are looked at again later."""
    while todo:
        busy = []
        for unit, record in pass_over(todo):
            if record is None:
                busy.append(unit)
            else:
                yield record
        if busy:
            time.sleep(WAIT)
            waited = list(unfinished(store, store.look(), busy))
            ended = {unit.recipe.id for unit in busy} - {unit.recipe.id for unit in waited}
            yield from store.records(ended)
            busy = waited
        todo = busy


def _unheard(_stage: Stage) -> None:
    """Nobody listens."""


def _watch(
    outcomes: Iterator[Record],
    counts: tuple[int, int],
    max_failures: float,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Pull the outcomes, tell of each, and stop when too many fail; ``counts`` are units done before, and to do."""
    started = time.monotonic()
    bad, (before, total) = 0, counts
    for done, record in enumerate(outcomes, start=1):
        bad += record.status in {"failed", "crashed"} and record.code not in PAIRS_ALONE
        if on_progress:
            left = (time.monotonic() - started) / done * (total - done)
            on_progress(Progress(done, total, record, left, before))
        if done >= ENOUGH and bad > max_failures * done and done < total:
            raise RunError(
                f"stopped: {bad} of {counted(done, 'unit')} failed, more than the share of {max_failures:g} that "
                f"--max-failures allows; the last: [{record.code}] {record.message}. Remove the cause, then give the "
                "same command again"
            )


def unfinished(store: Store, ended: Ended, units: Iterable[Unit]) -> Reiterable[Unit]:
    """Units that were not done at that look, and are not left alone either."""
    left_alone = DiskMap.of(entry.unit for entry in quarantine.each(store.root))

    def to_do(unit: str) -> bool:
        return ended.get(unit) not in FINAL and unit not in left_alone

    return Reiterable(lambda: (unit for unit in units if to_do(unit.recipe.id)))


def share(units: Iterable[Unit], shard: tuple[int, int]) -> Reiterable[Unit]:
    """Share i of n, by the key, so that a unit's share doesn't depend on the other units."""
    return Reiterable(lambda: (unit for unit in units if int(unit.recipe.id[:16], 16) % shard[1] == shard[0]))


def _check_space(store: Store, planned: Plan, todo: Sequence[Unit]) -> None:
    if not len(todo):
        return
    share = len(todo) / len(planned.units)
    needed, free = int(planned.bytes * share), shutil.disk_usage(store.root).free
    if free < needed:
        raise OutputError(
            f"OUTPUT: about {needed / 1e6:.0f} MB are needed for {counted(len(todo), 'unit')}, {free / 1e6:.0f} MB are "
            "free; free or grow the disk, then give the same command again: it continues"
        )


def check_disjoint(source: Path, output: Path) -> None:
    """OUTPUT inside INPUT would be read as input by the next run; INPUT inside OUTPUT would be written to.

    Raises:
        OutputError: one is inside the other.
    """
    a, b = source.resolve(), output.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise OutputError("OUTPUT and INPUT must lie apart: neither may be inside the other")


def moment() -> datetime:
    """Now, or SOURCE_DATE_EPOCH where it is set (reproducible-builds.org)."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)
