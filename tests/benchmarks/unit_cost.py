"""What a unit costs by stages, and how large it is on disk: what "planning a million images" is worked out from.

    OMP_NUM_THREADS=1 python tests/benchmarks/unit_cost.py FOLDER [--size 2500x2000] [--sources 5] [--json FILE]

Radiographs built in code, with the profile as it is shipped. Seconds of processor, medians; a first source warms up.
A source is read before its first unit and kept for the others, and its first unit finds what they share: both are told
apart. Where FOLDER lies decides some of it: memory that files are written into costs more where the machine never used
it before, so take a disk, and then memory (/dev/shm).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import get_args

import medaug
from medaug.execution.execute import moment
from medaug.execution.output.lists import listing_of
from medaug.execution.output.open import open_store
from medaug.execution.planning.plan import Plan
from medaug.execution.worker.job import Job
from medaug.execution.worker.unit_of_work import finish, prepare, solve, work_unit
from medaug.execution.worker.worker import Worker
from medaug.processes.freed_memory import keep_freed_memory
from medaug.profile.load import load_profile
from medaug.quality.checks import CheckName
from tests.benchmarks.overhead import export


def spent() -> float:
    """Seconds of this process. `time.process_time` moves in steps of 4 ms where a limit of the processor is set."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(output: Path, planned: Plan) -> dict[str, float]:
    store, _ = open_store(output, planned.profile, listing_of(planned.units, planned.skips), moment())
    worker = Worker(planned.request, output)
    costs = defaultdict[str, list[float]](list)
    warm = last = planned.units[0].source
    for unit in planned.units:
        first, last = unit.source != last, unit.source
        with store.lease(unit.recipe.id) as lease:
            assert lease
            job = Job(store, worker, unit, lease)
            if unit.source == warm:  # what is loaded once for all units
                work_unit(job)
                continue
            marks = [spent()]
            worker.volume(unit)
            marks.append(spent())
            presented = prepare(job)
            marks.append(spent())
            solved = solve(worker, presented)
            marks.append(spent())
            record = finish(job, presented, *solved)
            marks.append(spent())
        which = ", first of a source" if first else ""
        read, present, solve_, write = (b - a for a, b in itertools.pairwise(marks))
        if first:
            costs["read a source"].append(read)
        costs["solve"].append(solve_)
        costs[f"present{which}"].append(present)
        costs[f"restore, check, write{which}"].append(write)
        costs[f"all but the solve{which}"].append(read + present + write)
        folder = store.root / record.folder
        costs["MB on disk"].append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)
    return {name: statistics.median(values) for name, values in costs.items()}


def main() -> None:
    keep_freed_memory()  # as `medaug run` does
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--size", default="2000x1600", help="rows x columns")
    parser.add_argument("--sources", type=int, default=1)
    parser.add_argument("--units", type=int, default=3, help="of each source")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    rows, columns = map(int, given.size.split("x"))
    images = export(given.folder, rows, columns, given.sources + 1)  # the first one warms up
    profile = load_profile(given.profile)
    checks = dict.fromkeys(get_args(CheckName), (None, None))
    profile = profile.model_copy(update={"checks": checks})  # an image made of noise need not pass
    boxes = given.folder / "boxes.json"
    planned = medaug.plan(images, profile=profile, annotations=boxes, variants=given.units, device="cpu")
    figures = measured(given.folder / "out", planned)
    if given.json:
        given.json.write_text(json.dumps({"profile": given.profile, **figures}, indent=1) + "\n")
    print(f"| {given.profile}, {given.size}, load {os.getloadavg()[0]:.1f} | s, MB |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
