"""What a unit costs by stages, and how large it is on disk: what "planning a million images" is worked out from.

    OMP_NUM_THREADS=1 python tests/benchmarks/unit_cost.py FOLDER [--profile bone-xray] [--units 3] [--json FILE]

A radiograph of 2000 × 1600 built in code, with the profile as it is shipped. Seconds of one processor; another source
warms up. A source is read before its first unit and kept for the others, and its first unit finds what they share: both
are told apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from pathlib import Path

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
from tests.benchmarks.line import export


def measured(output: Path, planned: Plan) -> dict[str, float]:
    store, _ = open_store(output, planned.profile, listing_of(planned.units, planned.skips), moment())
    worker = Worker(planned.request, output)
    warm, units = planned.units[0], [u for u in planned.units if u.source != planned.units[0].source]
    with store.lease(warm.recipe.id) as lease:  # what is loaded once for all units
        assert lease
        work_unit(Job(store, worker, warm, lease))
    started = time.process_time()
    worker.volume(units[0])
    read = time.process_time() - started
    costs: dict[str, list[float]] = {"present": [], "solve": [], "restore, check, write": []}
    sizes = []
    for unit in units:
        with store.lease(unit.recipe.id) as lease:
            assert lease
            marks, job = [time.process_time()], Job(store, worker, unit, lease)
            presented = prepare(job)
            marks.append(time.process_time())
            solved = solve(worker, presented)
            marks.append(time.process_time())
            record = finish(job, presented, *solved)
            marks.append(time.process_time())
        for stage, cost in zip(costs, (b - a for a, b in itertools.pairwise(marks)), strict=True):
            costs[stage].append(cost)
        folder = store.root / record.folder
        sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    firsts = {f"{stage}, first of a source": costs[stage][0] for stage in ("present", "restore, check, write")}
    further = {stage: statistics.median(values[1:]) for stage, values in costs.items()}
    figures = {"read a source": read, **firsts, **further}
    figures["MB on disk"] = statistics.median(sizes) / 1e6
    return figures


def main() -> None:
    keep_freed_memory()  # as `medaug run` does
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--units", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    boxes = export(given.folder, 2)  # the first one warms up
    profile = load_profile(given.profile)
    checks = dict.fromkeys(("change", "seam", "sharpness", "noise", "observed_residual"), (None, None))
    profile = profile.model_copy(update={"checks": checks})  # an image made of noise need not pass
    planned = medaug.plan(given.folder / "in", profile=profile, annotations=boxes, variants=given.units, device="cpu")
    figures = measured(given.folder / "out", planned)
    if given.json:
        given.json.write_text(json.dumps({"profile": given.profile, **figures}, indent=1) + "\n")
    print(f"| {given.profile}, 2000 × 1600 | s, MB |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
