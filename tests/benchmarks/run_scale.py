"""A run of many units with work that takes no time: what planning, resuming and a durable commit cost, and the memory.

    python tests/benchmarks/run_scale.py FOLDER [--units 100000] [--commits 2000] [--json FILE]

FOLDER must be new, and on the disk that is measured. COMMITS units are committed as a run does it; the rest is laid
down as folders and ledger lines without flushing, so that a resume finds as much. Reading the sources is left out:
their files don't exist, and what reading costs is their size over the disk's speed. Seconds are of the clock and, for
busy machines, of one processor. *Scan* is the part of a resume that finds what is done; before it a resume plans again.

Everything is done twice, with UNITS and with three times as many, each step in a process of its own. Memory is what a
step's peak is above its start; what it grew by, divided by the units that there are more, says whether it is flat. What
has a fixed size is full by then and cancels out: maps on disk have caches of 64 KiB, not the package's 2 MiB, and
pathlib keeps every name in the interpreter's table of strings for a moment, which is rebuilt each 100,000 names and
takes 6 MiB meanwhile. So the figure says nothing with much fewer than 100,000 units. Exit code 1 when a figure is above
its bar.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from medaug.audit.ledger import Line, spell
from medaug.audit.record import Record
from medaug.audit.segments import START
from medaug.execution import execute
from medaug.execution.executors.executor import stretch
from medaug.execution.output.lists import listing_of, write_lists
from medaug.execution.output.open import attach, open_store
from medaug.execution.output.status import status
from medaug.execution.output.store import Store
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.units import Queue, units_of
from medaug.execution.worker.job import Job
from medaug.storage import disk_map
from medaug.verification.verify import verify
from tests.support import null

Figures = dict[str, float]
BARS = {
    "plan_s": 60.0,
    "scan_s": 20.0,  # of the resume, which plans again before it
    "commit_median_ms": 25.0,
    "last_over_first": 1.1,
    "last_over_first_cpu": 1.1,
    **dict.fromkeys(
        [f"{step}_bytes_per_unit" for step in ("plan", "resume", "lists", "status", "verify")], 8.0
    ),  # a key in memory has 121
}
TIMES = 3  # as many units for the second look at memory
BLOCK, MMAP_THRESHOLD, ARENA_MAX = 1 << 17, -3, -8  # of malloc.h


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    clock, processor, base = time.perf_counter(), time.process_time(), peak()
    yield
    figures[f"{name}_s"] = time.perf_counter() - clock
    figures[f"{name}_cpu_s"] = time.process_time() - processor
    figures[f"{name}_peak"] = peak() - base


@dataclass
class Costs:
    """What units cost by a clock, in ms, one after the other."""

    clock: Callable[[], float]
    each: list[float] = field(default_factory=list)

    @contextmanager
    def of_one(self) -> Iterator[None]:
        started = self.clock()
        yield
        self.each.append(1e3 * (self.clock() - started))

    @property
    def last_over_first(self) -> float:
        """Of the last tenth and of the first one, medians."""
        tenth = max(1, len(self.each) // 10)
        return statistics.median(self.each[-tenth:]) / statistics.median(self.each[:tenth])


def plan(units: int) -> Plan:
    """One source a unit: nothing is shared, so that this is the most that a unit takes."""
    return replace(null.plan(), units=units_of(null.unit(number) for number in range(units)))


def planning(folder: Path, units: int) -> Figures:
    """Keys of all units, a new OUTPUT with plan.json, and all units given out as an executor does."""
    found: Figures = {}
    with timed(found, "plan"):
        planned = plan(units)
        store, ended = open_store(folder, null.PROFILE, listing_of(planned.units), execute.moment())
        todo = Queue(execute.unfinished(store, ended, planned.units))
        while todo:
            todo.take(stretch(len(todo), 2))
    return found


def committing(folder: Path, units: int, commits: int) -> Figures:
    planned = plan(units)
    store, _ = open_store(folder, null.PROFILE, listing_of(planned.units), execute.moment())
    worker, clock, processor = null.worker(folder), Costs(time.perf_counter), Costs(time.process_time)
    for unit in planned.units[:commits]:
        with clock.of_one(), processor.of_one(), store.lease(unit.recipe.id) as lease:
            assert lease
            made = null.work(Job(store, worker, unit, lease))
    fill(store, planned, made)
    return {
        "commit_median_ms": statistics.median(clock.each),
        "commit_mean_ms": statistics.mean(clock.each),
        "commit_cpu_ms": statistics.mean(processor.each),
        "last_over_first": clock.last_over_first,
        "last_over_first_cpu": processor.last_over_first,
    }


def after(folder: Path, units: int, commits: int) -> Figures:
    """Commits into an OUTPUT that holds them all, beside the first ones."""
    store = attach(folder)
    clock, worker = Costs(time.perf_counter), null.worker(folder)
    for number in range(units, units + max(20, commits // 10)):
        with clock.of_one(), store.lease(null.unit(number).recipe.id) as lease:
            assert lease
            null.work(Job(store, worker, null.unit(number), lease))
    return {"commit_when_all_are_there_median_ms": statistics.median(clock.each)}


def resuming(folder: Path, units: int) -> Figures:
    found: Figures = {}
    with timed(found, "resume"):
        planned = plan(units)
        with timed(found, "scan"):
            store, ended = open_store(folder, null.PROFILE, listing_of(planned.units), execute.moment())
            assert not execute.unfinished(store, ended, planned.units)
    return found


def listing(folder: Path) -> Figures:
    """The lists, the page, the crate and the seal over all units."""
    found: Figures = {}
    with timed(found, "lists"):
        write_lists(attach(folder))
    return found


def looking(folder: Path) -> Figures:
    found: Figures = {}
    with timed(found, "status"):
        status(folder)
    return found


def verifying(folder: Path) -> Figures:
    """The walk over all files, lists and records. The images are none, and their faults are kept out of the sum."""
    found: Figures = {}
    with timed(found, "verify"), silent():
        verify(folder)
    return found


@contextmanager
def silent() -> Iterator[None]:
    """Faults of made-up images, lines and records are none: a million sentences would be all of the memory."""
    from medaug.verification import verify as module

    nothing = {
        (module, "check_unit"): lambda job: module.Findings(job.record.unit),
        (module, "check_record"): lambda *_: (),
        (module.whole, "check_chain"): lambda _: (),
    }
    kept = {place: getattr(*place) for place in nothing}
    for place, stand_in in nothing.items():
        setattr(*place, stand_in)
    try:
        yield
    finally:
        for place, check in kept.items():
            setattr(*place, check)


def fill(store: Store, planned: Plan, like: Record) -> None:
    """Folders and lines for all units that aren't there; the chain isn't kept, which a resume doesn't look at."""
    line = spell(Line(START, like, 0.0, "2026-01-01")).decode()
    with (store.ledger / "filled.jsonl").open("w") as file:
        for unit in planned.units:
            key = unit.recipe.id
            folder = store.folder(key)
            if folder.exists():
                continue
            (folder / "image").mkdir(parents=True)
            (folder / "image" / "0001.dcm").touch()
            (folder / "record.json").touch()
            own = line.replace(like.unit, key).replace(like.unit[:16], key[:16])
            own = own.replace(like.source.key, unit.recipe.source).replace(like.source.patient, key[:16])
            file.write(own + "\n")


def peak() -> float:
    """Bytes of this process, since `apart` began it."""
    return float(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def settle_malloc() -> None:
    """Large blocks are given back at once, in all threads: glibc learns that otherwise, at some moment of each run."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(MMAP_THRESHOLD, BLOCK)
        libc.mallopt(ARENA_MAX, 1)


def apart(work: Callable[[], Figures]) -> Figures:
    """In a process of its own, so that its memory is measured from a fresh start."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        settle_malloc()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is there now
        with os.fdopen(send, "w") as file:
            json.dump(work(), file)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as file:
        found: Figures = json.load(file)
    os.waitpid(child, 0)
    return found


def measured(folder: Path, units: int, commits: int) -> Figures:
    figures: Figures = {}
    steps: list[Callable[[], Figures]] = [
        lambda: planning(folder, units),
        lambda: committing(folder, units, commits),
        lambda: resuming(folder, units),
        lambda: looking(folder),
        lambda: listing(folder),
        lambda: verifying(folder),
        lambda: after(folder, units, commits),
    ]
    for step in steps:
        found = apart(step)
        print(units, found, file=sys.stderr, flush=True)  # it takes a while
        figures |= found
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--cache-kib", type=int, default=64, help="of a map on disk, in place of the package's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    disk_map.CACHE_KIB = given.cache_kib
    folder, units, commits = given.folder, given.units, min(given.commits, given.units // 10)
    figures = measured(folder / "once", units, commits)
    shutil.rmtree(folder / "once")
    many = measured(folder / "more", TIMES * units, min(200, commits))
    for step in [name.removesuffix("_peak") for name in figures if name.endswith("_peak")]:
        peak, more = figures.pop(f"{step}_peak"), many[f"{step}_peak"]
        figures[f"{step}_peak_MiB"], figures[f"{step}_peak_of_{TIMES}_times_MiB"] = peak / 2**20, more / 2**20
        figures[f"{step}_bytes_per_unit"] = (more - peak) / (TIMES * units - units)
        figures[f"{step}_cost_of_{TIMES}_times"] = many[f"{step}_cpu_s"] / figures[f"{step}_cpu_s"] / TIMES
    if given.json:
        given.json.write_text(json.dumps({"units": units, "commits": commits, **figures}, indent=1) + "\n")
    print(f"| {units} units | measured | bar |\n|---|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} | {f'< {BARS[name]:g}' if name in BARS else ''} |")
    return int(any(figures[name] >= bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
