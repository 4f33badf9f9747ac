"""A run of many units with work that takes no time: what planning, resuming and a durable commit cost.

    python tests/benchmarks/run_scale.py FOLDER [UNITS [COMMITS]]

FOLDER must be on the disk that is measured. COMMITS units are committed as a run does it; the rest is laid down as
folders and ledger lines without flushing, so that a resume finds as much. Reading the sources is left out: their files
don't exist, and what reading costs is their size over the disk's speed.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

from medaug.audit import ledger
from medaug.execution import execute
from medaug.execution.listing import Listing
from medaug.execution.opening import open_store
from medaug.execution.store import Store
from medaug.execution.work import Bench
from tests.execution import null


def main(folder: Path, units: int, commits: int) -> None:
    started = time.perf_counter()
    planned = null.plan(*range(units))
    say("units made", time.perf_counter() - started)
    started = time.perf_counter()
    listing = Listing(tuple(sorted(unit.recipe.id for unit in planned.units)), ())
    store = open_store(folder, null.PROFILE, listing, execute._now())
    say("new OUTPUT opened, plan written", time.perf_counter() - started)
    bench = Bench(null.PROFILE, "cpu", None)
    costs = []
    for unit in planned.units[:commits]:
        started = time.perf_counter()
        with store.claim(unit.recipe.id) as claim:
            assert claim
            null.work(store, bench, unit, claim)
        costs.append(time.perf_counter() - started)
    tenth = max(1, commits // 10)
    for name, part in (("all", costs), ("first tenth", costs[:tenth]), ("last tenth", costs[-tenth:])):
        mean, median = (1e3 * figure(part) for figure in (statistics.mean, statistics.median))
        print(f"commit, {name:12} mean {mean:6.2f} ms, median {median:6.2f} ms")
    say(f"{commits} units committed", sum(costs))
    fill(store, [unit.recipe.id for unit in planned.units])
    child = os.fork()  # its memory is measured from a fresh start
    if not child:
        started = time.perf_counter()
        again = open_store(folder, null.PROFILE, listing, execute._now())
        left = execute._unfinished(again, planned.units)
        assert not left
        say(f"resume: {units} units found done", time.perf_counter() - started)
        os._exit(0)
    os.waitpid(child, 0)


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


def say(what: str, seconds: float) -> None:
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:40} {seconds:8.1f} s, processor so far {cpu:8.1f} s, peak memory {peak:6.0f} MB", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(text) for text in ((sys.argv[2:] + ["100000", "2000"][len(sys.argv) - 2 :])[:2])))
