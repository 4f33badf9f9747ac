"""How long solving waits for reading and writing, at steady state.

    python tests/benchmarks/line.py FOLDER [--units 40] [--solve 0.4] [--json FILE]

Real units (a radiograph of 2000 × 1600 built in code, read, presented, restored, checked and written as in a run), with
a solve that only waits, as a processor does while a device works: SOLVE seconds for each unit. The share is of the time
between the third and the last solve. One by one is the same work without a line. What a unit's reader and writer take
of a processor is told of each thread: as long as the larger is below SOLVE, and both together leave the interpreter
free often enough, solving has nothing to wait for. Exit code 1 when the share in the line is 5 % or more.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import medaug
from medaug.augmentation.augment import Presented
from medaug.augmentation.restore import Solution
from medaug.augmentation.solve import SolvedSlice
from medaug.execution.execute import moment
from medaug.execution.output.lists import listing_of
from medaug.execution.output.open import open_store
from medaug.execution.planning.plan import Plan
from medaug.execution.worker import tickets as module
from medaug.execution.worker.attempt import attempt
from medaug.execution.worker.job import Job
from medaug.execution.worker.pipeline import work_through
from medaug.execution.worker.stages import STAGES
from medaug.execution.worker.worker import Worker
from medaug.profile.load import load_profile
from tests.support import make

WAITED = 0.05  # the share of the time that solving may wait


def export(folder: Path, count: int) -> Path:
    for number in range(count):
        make.radiograph(folder / "in", name=f"x{number}.dcm", rows=2000, columns=1600, seed=number)
    lesion = make.lesion((1, 2000, 1600))
    (_, top, left), (_, bottom, right) = lesion.start, lesion.stop
    images = [{"id": n, "file_name": f"x{n}.dcm", "width": 1600, "height": 2000} for n in range(count)]
    box = [left, top, right - left, bottom - top]
    notes = [{"id": n, "image_id": n, "category_id": 1, "bbox": box} for n in range(count)]
    path = folder / "boxes.json"
    path.write_text(json.dumps({"images": images, "annotations": notes, "categories": [{"id": 1, "name": "lesion"}]}))
    return path


def measured(output: Path, planned: Plan, seconds: float, name: str) -> dict[str, float]:
    store, _ = open_store(output, planned.profile, listing_of(planned.units, planned.skips), moment())
    worker = Worker(planned.request, output)
    _ = worker.tools
    solved_at: list[float] = []

    def solve(_worker: Worker, presented: Presented, _on_step: Any) -> tuple[Solution, int]:
        solved_at.append(time.monotonic())
        time.sleep(seconds)
        parts = [SolvedSlice(row.pixels * 0.98, row.pixels) for row in presented.slices]
        return presented.solution(parts), 1

    taken: dict[str, list[float]] = {"reading": [], "writing": []}

    def timed(stage: str, work: Any) -> Any:
        def measured(*given: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*given)
            finally:
                taken[stage].append(time.thread_time() - began)

        return measured

    read, write = timed("reading", STAGES.prepare), timed("writing", STAGES.finish)
    stages = replace(STAGES, batch=lambda _: 0, solve=solve, prepare=read, finish=write)

    def work(job: Job, _on_step: Any) -> Any:
        presented = stages.prepare(job)
        return stages.finish(job, presented, *solve(worker, presented, None))

    started, processor = time.monotonic(), time.process_time()
    if name == "in a line":
        done = [record for _, record in work_through(worker, store, planned.units, stages=stages)]
    else:
        done = [attempt(store, worker, unit, work) for unit in planned.units]
    assert all(record is not None and record.status == "written" for record in done)
    span = solved_at[-1] - solved_at[2]
    return {
        f"{name}: seconds a unit": (time.monotonic() - started) / len(done),
        f"{name}: of them on a processor": (time.process_time() - processor) / len(done),
        **{f"{name}: {stage} on a processor": statistics.mean(each) for stage, each in taken.items()},
        f"{name}: share waited at steady state": 1 - seconds * (len(solved_at) - 3) / span,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--sources", type=int, default=4)
    parser.add_argument("--solve", type=float, default=0.4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    boxes = export(given.folder, given.sources)
    profile = load_profile("bone-xray")
    profile = profile.model_copy(
        update={"checks": dict.fromkeys(("change", "seam", "sharpness", "noise"), (None, None))}
    )
    variants = given.units // given.sources
    planned = medaug.plan(given.folder / "in", profile=profile, annotations=boxes, variants=variants, device="cpu")
    figures: dict[str, float] = {}
    for name in ("in a line", "one by one"):
        figures |= measured(given.folder / name.replace(" ", "-"), planned, given.solve, name)
    figures["units in the line at most"] = module.MOST
    if given.json:
        given.json.write_text(json.dumps({"solve": given.solve, "units": given.units, **figures}, indent=1) + "\n")
    print(f"| solve of {given.solve:g} s, {given.units} units | |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.3f} |")
    return int(figures["in a line: share waited at steady state"] >= WAITED)


if __name__ == "__main__":
    sys.exit(main())
