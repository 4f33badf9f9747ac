"""A run of many units with work that takes no time: what planning, resuming and a durable commit cost.

    python tests/benchmarks/run_scale.py FOLDER [--units 100000] [--commits 2000] [--json FILE]

FOLDER must be new, and on the disk that is measured. COMMITS units are committed as a run does it; the rest is laid
down as folders and ledger lines without flushing, so that a resume finds as much. Reading the sources is left out:
their files don't exist, and what reading costs is their size over the disk's speed. Seconds are of the clock and, for
busy machines, of one processor.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medaug.audit import ledger
from medaug.execution import execute
from medaug.execution.listing import Listing
from medaug.execution.opening import open_store
from medaug.execution.store import Store
from medaug.execution.work import Bench
from tests.execution import null

Figures = dict[str, float]
BARS = {"plan_s": 60.0, "resume_s": 20.0, "commit_median_ms": 25.0, "last_over_first": 1.1}


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    clock, processor = time.perf_counter(), time.process_time()
    yield
    figures[f"{name}_s"] = time.perf_counter() - clock
    figures[f"{name}_cpu_s"] = time.process_time() - processor


def planning(folder: Path, units: int) -> Figures:
    """Keys of all units, a new OUTPUT with plan.json; the memory that a plan of so many units takes."""
    found: Figures = {}
    base = peak()
    with timed(found, "plan"):
        planned = null.plan(*range(units))
        store = open_store(folder, null.PROFILE, listing_of(planned), execute.moment())
        execute._unfinished(store, planned.units)
    found["plan_bytes_per_unit"] = (peak() - base) / units
    return found


def committing(folder: Path, units: int, commits: int) -> Figures:
    planned = null.plan(*range(units))
    store = open_store(folder, null.PROFILE, listing_of(planned), execute.moment())
    bench, costs, processor = Bench(null.PROFILE, "cpu", None), [], time.process_time()
    for unit in planned.units[:commits]:
        started = time.perf_counter()
        with store.claim(unit.recipe.id) as claim:
            assert claim
            null.work(store, bench, unit, claim)
        costs.append(1e3 * (time.perf_counter() - started))
    processor = 1e3 * (time.process_time() - processor) / commits
    fill(store, [unit.recipe.id for unit in planned.units])
    tenth = max(1, commits // 10)
    ends = [statistics.median(part) for part in (costs[:tenth], costs[-tenth:])]
    return {
        "commit_median_ms": statistics.median(costs),
        "commit_mean_ms": statistics.mean(costs),
        "commit_cpu_ms": processor,
        "last_over_first": ends[1] / ends[0],
    }


def after(folder: Path, units: int, commits: int) -> Figures:
    """Commits into an OUTPUT that holds them all, beside the first ones."""
    store = open_store(folder, null.PROFILE, listing_of(null.plan(*range(units))), execute.moment())
    costs, bench = [], Bench(null.PROFILE, "cpu", None)
    for number in range(units, units + max(20, commits // 10)):
        started = time.perf_counter()
        with store.claim(null.unit(number).recipe.id) as claim:
            assert claim
            null.work(store, bench, null.unit(number), claim)
        costs.append(1e3 * (time.perf_counter() - started))
    return {"commit_when_all_are_there_median_ms": statistics.median(costs)}


def resuming(folder: Path, units: int) -> Figures:
    planned = null.plan(*range(units))
    found: Figures = {}
    base = peak()
    with timed(found, "resume"):
        store = open_store(folder, null.PROFILE, listing_of(planned), execute.moment())
        assert not execute._unfinished(store, planned.units)
    found["resume_bytes_per_unit"] = (peak() - base) / units
    return found


def listing_of(planned: execute.Plan) -> Listing:
    return Listing(tuple(sorted(unit.recipe.id for unit in planned.units)), ())


def fill(store: Store, units: list[str]) -> None:
    """Folders and lines for all units that aren't there; the chain isn't kept, which a resume doesn't look at."""
    (segment,) = ledger.segments(store.ledger)
    line = segment.read_bytes().splitlines(keepends=True)[-1]
    known = ledger.outcomes(store.ledger)
    like = json.loads(line)["record"]["unit"].encode()
    with (store.ledger / "filled.jsonl").open("wb") as file:
        for unit in units:
            if unit not in known:
                store.folder(unit).mkdir()
                file.write(line.replace(like, unit.encode()))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def apart(work: Callable[[], Figures]) -> Figures:
    """In a process of its own, so that its memory is measured from a fresh start."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(send, "w") as file:
            json.dump(work(), file)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as file:
        found: Figures = json.load(file)
    os.waitpid(child, 0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder, units, commits = given.folder, given.units, min(given.commits, given.units)
    figures = apart(lambda: planning(folder, units))
    figures |= apart(lambda: committing(folder, units, commits))
    figures |= apart(lambda: resuming(folder, units))
    figures |= apart(lambda: after(folder, units, commits))
    if given.json:
        given.json.write_text(json.dumps({"units": units, "commits": commits, **figures}, indent=1) + "\n")
    print(f"| {units} units | measured | bar |\n|---|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} | {f'< {BARS[name]:g}' if name in BARS else ''} |")


if __name__ == "__main__":
    sys.exit(main())
