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
from typing import assert_never

from medaug.audit.layout import FORMAT
from medaug.audit.record import Record
from medaug.errors import MedaugError, OutputError, RunError, counted
from medaug.execution.executors.executor import Executor, serial
from medaug.execution.executors.processes import processes
from medaug.execution.executors.ray_cluster import cluster
from medaug.execution.output import quarantine
from medaug.execution.output.lists import listing_of, write_lists
from medaug.execution.output.open import open_store
from medaug.execution.output.store import Ended, Store
from medaug.execution.planning.options import DEFAULTS, ExecutorName, Options
from medaug.execution.planning.plan import Plan, plan
from medaug.execution.planning.units import Unit
from medaug.execution.summary import Progress, Summary
from medaug.execution.worker.attempt import Setup, Work
from medaug.execution.worker.pipeline import Done, Step
from medaug.execution.worker.unit_of_work import work_unit
from medaug.execution.worker.worker import Bench
from medaug.profile.profile import Profile
from medaug.storage.disk_map import Again, Shelf, among

WAIT = 1.0  # seconds between looks at units that other workers have
MANY = 32  # units from which on a process that only solves is worth its start, some 3 s
FINAL = {"written", "rejected"}  # the same recipe would end the same way; failures are tried again
ENOUGH = 20  # units after which the share of failures says something


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
    readers: str = "union",
    protect: Sequence[str | Path] = (),
    within: Sequence[str | Path] = (),
    key_file: str | Path | None = None,
    extend: bool = False,
    workers: int | None = None,
    executor: ExecutorName | None = None,
    address: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Augment an export. The same call again continues, or finds nothing to do.

    Args:
        input: a folder, file or zip archive of images; never changed.
        output: a new folder, or one that the same call made before.
        profile: a shipped profile's name, a path, or a profile.
        annotations: one or more files or folders with boxes.
        variants: variants per source, at least 1.
        seed: the run's seed.
        device: ``auto``, ``cpu`` or a torch device.
        identity_reason: why the export may be used although it doesn't declare that identity was removed.
        annotation_format: a name of docs/reference/annotations.md for all of ``annotations``; None tells by content.
        readers: where several people read an image (a csv with rad_id): ``union``, ``majority``, or one reader's name.
        protect: Segmentations or label maps whose structures must not change.
        within: the same; nothing outside of their structures may change.
        key_file: 32 secret bytes that new UIDs and patient tokens come from; with the same key and SOURCE_DATE_EPOCH,
            another OUTPUT gets the same bytes. Drawn at random otherwise.
        extend: other images, annotations, variants or seed may come into an OUTPUT that is there.
        workers: how many; a script that asks for several processes needs ``if __name__ == "__main__":``.
        executor: ``serial``, ``processes`` or ``ray``; None for serial with one worker, else processes.
        address: of a Ray cluster; None starts one on this machine.
        on_progress: called after each unit.

    Raises:
        ProfileError: the profile is wrong.
        PriorError: the prior isn't what the profile pins.
        ReadError: INPUT does not exist.
        AnnotationError: an annotation file is malformed.
        OutputError: OUTPUT can't be used; nothing partial is visible.
        RunError: the run makes no sense as it is set up.
    """
    source_root, root = Path(input), Path(output)
    check_apart(source_root, root)
    options = Options(
        device, Path(key_file) if key_file else None, extend, None, workers, executor=executor, address=address
    )
    planned = plan(
        source_root,
        profile=profile,
        annotations=annotations,
        variants=variants,
        seed=seed,
        identity_reason=identity_reason,
        annotation_format=annotation_format,
        readers=readers,
        protect=protect,
        within=within,
    )
    return execute(planned, root, options, on_progress=on_progress)


def execute(
    planned: Plan,
    output: Path,
    options: Options = DEFAULTS,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_step: Step | None = None,
    work: Work = work_unit,
) -> Summary:
    """Do what ``planned`` says and write the manifests and the page, also when it is stopped on the way.

    Args:
        planned: what to do.
        output: OUTPUT.
        options: how.
        on_progress: called after each unit.
        on_step: called with (unit, step, steps) during each unit.
        work: what is done with a unit.

    Raises:
        PriorError: the prior isn't what the profile pins.
        OutputError: OUTPUT can't be used; nothing partial is visible.
        RunError: more units fail than the options allow.
    """
    if not planned.units and not (output / FORMAT).exists():
        return Summary(output, (), planned.skips, planned.unmatched, 0, 0, planned.notes)
    serially = options.chosen == "serial" and work is work_unit
    apart = serially and len(planned.units) >= MANY
    setup = Setup(output, planned.profile, options.device, planned.identity_reason, work, apart)
    bench = setup.bench()
    if not (output / FORMAT).exists() and serially:
        _ = bench.tools  # a wrong prior stops a run before OUTPUT is made
    listing = listing_of(planned.units, planned.skips)
    store, ended = open_store(
        output, planned.profile, listing, moment(), key_file=options.key_file, extend=options.extend
    )
    mine = planned.units if options.shard is None else share(planned.units, options.shard)
    todo = unfinished(store, ended, mine)
    _check_space(store, planned, todo)
    try:
        outcomes = _until_done(store, partial(_executor(options, bench), setup, on_step=on_step), todo)
        with closing(outcomes):  # an interruption may come while it is suspended: its workers end before the lists
            _watch(outcomes, len(todo), options.max_failures, on_progress)
    except BaseException:
        with suppress(MedaugError, OSError):  # what stopped the run is what the user is told
            write_lists(store)
        raise
    records = write_lists(store)
    keys = listing.units if options.shard is None else listing_of(mine).units
    return Summary(
        output,
        among(records, lambda record: record.unit, keys),
        planned.skips,
        planned.unmatched,
        len(mine),
        len(mine) - len(todo),
        planned.notes,
        sum(unit not in listing.units for unit in records.units),
        len(planned.units) - len(mine),
    )


def _executor(options: Options, bench: Bench) -> Executor:
    match options.chosen:
        case "serial":
            return partial(serial, bench)
        case "processes":
            return partial(processes, options.workers or 1)
        case "ray":
            return partial(cluster, options.workers, options.address)
        case _:
            assert_never(options.chosen)


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


def _watch(
    outcomes: Iterator[Record], total: int, max_failures: float, on_progress: Callable[[Progress], None] | None
) -> None:
    """Pull the outcomes, tell of each, and stop when too many fail."""
    started = time.monotonic()
    bad = 0
    for done, record in enumerate(outcomes, start=1):
        bad += record.status in {"failed", "crashed"}
        if on_progress:
            left = (time.monotonic() - started) / done * (total - done)
            on_progress(Progress(done, total, record, left))
        if done >= ENOUGH and bad > max_failures * done and done < total:
            raise RunError(
                f"stopped: {bad} of {counted(done, 'unit')} failed, more than the share of {max_failures:g} that "
                f"--max-failures allows; the last: [{record.code}] {record.message}. Remove the cause, then give the "
                "same command again"
            )


def unfinished(store: Store, ended: Ended, units: Iterable[Unit]) -> Again[Unit]:
    """Units that were not done at that look, and are not left alone either."""
    left_alone = Shelf.of(entry.unit for entry in quarantine.each(store.root))

    def to_do(unit: str) -> bool:
        return ended.get(unit) not in FINAL and unit not in left_alone

    return Again(lambda: (unit for unit in units if to_do(unit.recipe.id)))


def share(units: Iterable[Unit], shard: tuple[int, int]) -> Again[Unit]:
    """Share i of n, by the key, so that a unit's share doesn't depend on the other units."""
    return Again(lambda: (unit for unit in units if int(unit.recipe.id[:16], 16) % shard[1] == shard[0]))


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


def check_apart(source: Path, output: Path) -> None:
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
