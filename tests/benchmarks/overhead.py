"""Where a unit's time goes: ``python tests/benchmarks/overhead.py --out FILE``, radiographs, DICOM.

Radiographs are built in code and variants are made of them as `medaug.run` makes them, with previews, evidence and
record; the first source warms up and isn't counted. *Network* is the solver and the round trip through the autoencoder;
all else is overhead. Two things are measured:

* by stage, without the stages inside it, in CPU seconds of all threads (`time.process_time`), unit by unit. The first
  variant of a source pays for what its further ones share; the mean is over `VARIANTS` of a source.
* in a run, in wall time: solving in a process of its own while this one reads and writes, as `medaug run` does it from
  `execute.MANY` units on, one thread for the solver. The whole is the time from one solve's start to the next one's at
  steady state, first variants of sources included; the network's part is what all the same rows take when they are
  solved again and nothing else runs. A virtual machine's speed differs by a third from one half minute to the next, so
  a run is cut into stretches, each followed by its own second solves; the median of their shares counts. A machine of
  two cores may be slower when both are used, whatever the other does: the rows are solved a third time beside a process
  that is as busy as reading and writing are and only looks at the clock. Needs two idle cores.

Bars at 2500 × 2000 px: overhead of at most 10 % of the whole in a run, and of 0.5 CPU seconds a variant in the mean; a
whole variant of a 256 px image takes at most 2 s of wall time with two threads.

``--out a.json`` writes ``a.md`` beside it. Each size runs in a process of its own, with its own number of threads.
``--digests FILE`` writes a digest of the pixels of every file, so that two versions of the code can be compared:
``--expect FILE`` fails where one differs.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import medaug
from medaug import assemble
from medaug.augmentation import augment
from medaug.augmentation.prepare import Latest, PresentTools
from medaug.augmentation.tools import Tools
from medaug.execution.execute import execute, moment
from medaug.execution.output.lists import listing_of
from medaug.execution.output.open import open_store
from medaug.execution.output.store import Store
from medaug.execution.worker import image_files, unit_of_work
from medaug.execution.worker.pipeline import work_through
from medaug.execution.worker.worker import Worker
from medaug.imaging.volume import Volume
from medaug.report.pictures import Backdrops
from tests.benchmarks.tables import markdown
from tests.support import make

BAR = (0.10, 0.5)  # share of the whole in a run, mean CPU seconds of a variant
VARIANTS = 6  # of each source, in a run and in the mean
SKIPPED = 2  # solves of a stretch before it is steady
STRETCH = 3 * VARIANTS  # units of a run, after which its solves are done again
SOURCES = 35  # of a run, beside the first one: 12 stretches
WALL = 2.0  # seconds of a whole variant of the small image
RUNS = ((2500, 2000, 1), (3072, 3072, 1), (256, 256, 2))  # rows, columns, threads
NETWORK, READING, REST = "network", "reading", "all else"
APART = {NETWORK, READING}
PAGE = (
    "Radiographs, DICOM in; DICOM, previews, evidence and record out. Medians in CPU seconds of the first variant of a "
    "source and of its further ones; share: of a further variant's whole. Below, wall time in a run that solves in a "
    "process of its own, one thread for it. Written by `tests/benchmarks/overhead.py`, which says what is measured."
)
STAGES = {  # label → where the functions of a stage are looked up
    "domain": [(PresentTools, "domain_of")],
    "preparation: presentation, taper, the source's side of the checks": [(Latest, "of")],
    "regions": [(unit_of_work, "begin")],
    "restoring": [(Volume, "with_strips")],
    "checks": [(augment, "inspect")],
    "previews": [(Backdrops, "of"), (unit_of_work, "write_previews")],
    "evidence": [(image_files, "write_evidence")],
    "image, written and read back": [(unit_of_work, "write_image")],
    "digests": [(unit_of_work, "describe_output")],
    "record and commit": [(unit_of_work, "to_record"), (Store, "complete"), (Store, "publish")],
    NETWORK: [(Tools, "solve_slices")],
    READING: [(Worker, "volume")],
}


@dataclass
class Spent:
    """One unit: of which source, wall seconds, and CPU seconds by stage."""

    source: str
    wall: float = 0.0
    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def overhead(self) -> float:
        return sum(seconds for stage, seconds in self.stages.items() if stage not in APART)


class Clock:
    """Exclusive CPU seconds by stage and unit; a stage inside another stops the outer one."""

    def __init__(self) -> None:
        self.units: list[Spent] = []
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def inner(*args: Any, **kwargs: Any) -> Any:
            if stage == REST:
                self.units.append(Spent(args[0].unit.recipe.source))
            self._tick()
            self._running.append(stage)
            began = time.monotonic()
            try:
                return call(*args, **kwargs)
            finally:
                self._tick()
                self._running.pop()
                if stage == REST:
                    self.units[-1].wall = time.monotonic() - began

        return inner

    def _tick(self) -> None:
        now = time.process_time()
        if self._running and self.units:
            self.units[-1].stages[self._running[-1]] += now - self._since
        self._since = now


def attach(clock: Clock) -> None:
    """Put the clock around every stage."""
    for stage, places in STAGES.items():
        for home, name in places:
            if home is not Tools:
                setattr(home, name, clock.timed(stage, getattr(home, name)))
    build = assemble.tools

    @functools.wraps(build)
    def tools(*args: Any, **kwargs: Any) -> Tools:
        made = build(*args, **kwargs)
        for stage, places in STAGES.items():
            for name in (name for home, name in places if home is Tools):
                object.__setattr__(made, name, clock.timed(stage, getattr(made, name)))
        return made

    assemble.tools = tools


def export(folder: Path, rows: int, columns: int, sources: int) -> Path:
    """Radiographs, and a box in each as COCO."""
    lesion = make.lesion((1, rows, columns))
    (_, top, left), (_, bottom, right) = lesion.start, lesion.stop
    box = [left, top, right - left, bottom - top]
    images, labels = [], []
    for n in range(sources):
        make.radiograph(folder / "in", name=f"{n}.dcm", rows=rows, columns=columns, seed=3 + n)
        images.append({"id": n, "file_name": f"{n}.dcm", "width": columns, "height": rows})
        labels.append({"id": n, "image_id": n, "category_id": 1, "bbox": box})
    coco = {"images": images, "annotations": labels, "categories": [{"id": 1, "name": "lesion"}]}
    (folder / "boxes.json").write_text(json.dumps(coco))
    (folder / "key").write_bytes(bytes(range(32)))
    return folder / "in"


def planned_in(folder: Path, options: argparse.Namespace, variants: int) -> medaug.Plan:
    """Variants of each source and of one more, which warms up."""
    source = export(folder, options.rows, options.columns, options.sources + 1)
    boxes = folder / "boxes.json"
    how = {"device": "cpu", "key": folder / "key"}
    return medaug.plan(source, profile=options.profile, annotations=boxes, variants=variants, seed=7, **how)


def digests(output: Path) -> dict[str, str]:
    """Of every image, preview and evidence file, by relative path; dates and versions of the run are in headers."""
    import pydicom

    found = {}
    for path in sorted(p for p in (output / "variants").rglob("*") if p.suffix in {".dcm", ".png"}):
        content = pydicom.dcmread(path).get("PixelData", b"") if path.suffix == ".dcm" else path.read_bytes()
        found[path.relative_to(output).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """One size in this process: medians by stage of first and of further variants, and what was written."""
    clock = Clock()
    attach(clock)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planned = planned_in(folder, options, options.variants)
        # one piece of work per unit keeps it in one thread; `medaug run` solves one unit while it writes another
        unit = clock.timed(REST, unit_of_work.work_unit)
        execute(planned, folder / "out", work=unit)
        found = digests(folder / "out")
    counted = [unit for unit in clock.units if unit.source != clock.units[0].source]
    before = [clock.units[n - 1].source for n, unit in enumerate(clock.units) if unit in counted]
    first = [unit for unit, other in zip(counted, before, strict=True) if unit.source != other]
    further = [unit for unit, other in zip(counted, before, strict=True) if unit.source == other]
    return {"first": _medians(first), "further": _medians(further), "digests": found}


def in_a_run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Wall seconds a unit takes at steady state, and what its network takes alone, for stretches of a run."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planned = planned_in(folder, options, VARIANTS)
        store, _ = open_store(folder / "out", planned.profile, listing_of(planned.units, planned.skips), moment())
        worker, units = Worker(planned.request, store.root, solver_process=True), list(planned.units)
        real = worker.tools
        for first in range(0, len(units) - STRETCH + 1, STRETCH):
            watch = Watch(real)
            worker.__dict__["tools"] = replace(real, solve_slices=watch.solve_slices)
            processor = time.process_time()
            for _ in work_through(worker, store, units[first : first + STRETCH]):
                pass
            here = (time.process_time() - processor) / STRETCH
            alone = watch.again()
            with counting(here / watch.whole):
                beside = watch.again()
            row = {"whole": watch.whole, "network": alone, "beside": beside, "waiting": watch.waiting, "cpu": here}
            found.append(row)
        worker.close()
    return found[1:]  # the first one warms up


class Watch:
    """Around a solver: what it solves and when."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._tasks: list[tuple[Any, ...]] = []
        self._began: list[float] = []
        self._took: list[float] = []

    def solve_slices(self, *task: Any) -> Any:
        self._began.append(time.monotonic())
        self._tasks.append(task[:3])
        parts = self._tools.solve_slices(*task)
        self._took.append(time.monotonic() - self._began[-1])
        return parts

    @property
    def whole(self) -> float:
        """Seconds from one solve's start to the next one's, once the line is filled."""
        return (self._began[-1] - self._began[SKIPPED]) / (len(self._began) - 1 - SKIPPED)

    @property
    def waiting(self) -> float:
        """Share of that time in which nothing is solved."""
        return 1 - float(np.mean(self._took[SKIPPED:-1])) / self.whole

    def again(self) -> float:
        """Seconds that the same solves take in the mean."""
        tasks, started = self._tasks[SKIPPED:-1], time.monotonic()
        for task in tasks:
            self._tools.solve_slices(*task)
        return (time.monotonic() - started) / len(tasks)


@contextmanager
def counting(share: float) -> Iterator[None]:
    """Beside a process that looks at the clock for so much of the time: it needs no memory and no file."""
    loop = (
        "import sys, time\nbusy = float(sys.argv[1]) / 10\nwhile True:\n    end = time.monotonic() + busy\n"
        "    while time.monotonic() < end: pass\n    time.sleep(max(0, 0.1 - busy))"
    )
    process = subprocess.Popen([sys.executable, "-c", loop, str(min(1.0, share))])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def pooled(stretches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of all stretches, and the share of each."""
    means = {key: float(np.mean([one[key] for one in stretches])) for key in stretches[0]}
    shares = sorted(1 - one["network"] / one["whole"] for one in stretches)
    found = means | {"share": float(np.median(shares)), "shares": shares}
    return {key: np.round(value, 4).tolist() for key, value in found.items()} | {"units": STRETCH * len(stretches)}


def _medians(units: Sequence[Spent]) -> dict[str, Any]:
    def middle(values: Sequence[float]) -> float:
        return round(float(np.median(values)), 4)

    overheads = [unit.overhead for unit in units]
    return {
        "stages": {stage: middle([unit.stages.get(stage, 0.0) for unit in units]) for stage in (*STAGES, REST)},
        "overhead": middle(overheads),
        "spread": [round(min(overheads), 3), round(max(overheads), 3)],
        "share": middle([unit.overhead / (unit.overhead + unit.stages[NETWORK]) for unit in units]),
        "wall": middle([unit.wall for unit in units]),
        "units": len(units),
    }


def child(options: argparse.Namespace, rows: int, columns: int, threads: int, *flags: str) -> dict[str, Any]:
    """One size in a process of its own: libraries read the number of threads when they are loaded."""
    chosen = ("--profile", options.profile, "--sources", options.sources, "--variants", options.variants)
    size = ("--rows", rows, "--columns", columns)
    command = [sys.executable, __file__, *map(str, (*chosen, *size)), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return {"rows": rows, "columns": columns, "threads": threads, **json.loads(done.stdout.splitlines()[-1])}


def table(found: Sequence[dict[str, Any]]) -> str:
    """CPU seconds by stage, first and further variants, and how much of the whole a further one's stage is."""
    lines = []
    for stage in (*STAGES, REST, "overhead"):
        line: dict[str, Any] = {"stage": f"**{stage}**" if stage == "overhead" else stage}
        for run in found:
            name = f"{run['rows']} × {run['columns']}"
            for which in ("first", "further"):
                part = run[which]
                line[f"{name}, {which}"] = f"{part['overhead'] if stage == 'overhead' else part['stages'][stage]:.3f}"
            further = run["further"]
            cost = further["overhead"] if stage == "overhead" else further["stages"][stage]
            line[f"{name}, share"] = f"{cost / (further['overhead'] + further['stages'][NETWORK]):.1%}"
        lines.append(line)
    wall: dict[str, Any] = {"stage": "whole variant, wall s"}
    for run in found:
        for which in ("first", "further"):
            wall[f"{run['rows']} × {run['columns']}, {which}"] = f"{run[which]['wall']:.2f}"
        wall[f"{run['rows']} × {run['columns']}, share"] = f"{run['threads']} thread{'s' * (run['threads'] > 1)}"
    return markdown([*lines, wall])


def of_a_run(found: dict[str, Any]) -> str:
    low, high = np.percentile(found["shares"], [25, 75])
    rows, columns, _ = RUNS[0]
    return (
        f"In a run at {rows} × {columns} px, {found['units']} units in {len(found['shares'])} stretches, {VARIANTS} of "
        f"each source: {found['whole']:.3f} s of wall time a unit at steady state; its network alone, right after, "
        f"{found['network']:.3f} s. Overhead is {found['share']:.1%} of the whole in the median of the stretches "
        f"(quartiles {low:.1%} and {high:.1%}). The solver waits {found['waiting']:.1%} of the time. Reading and "
        f"writing take {found['cpu']:.3f} CPU s a unit beside it; beside a process that is as busy and only looks at "
        f"the clock, the network takes {found['beside']:.3f} s."
    )


def verdicts(found: Sequence[dict[str, Any]], run: dict[str, Any]) -> list[str]:
    """The three bars."""
    large, small = found[0], found[-1]["further"]
    first, further = large["first"]["overhead"], large["further"]["overhead"]
    mean = (first + (VARIANTS - 1) * further) / VARIANTS
    held = [run["share"] <= BAR[0], mean <= BAR[1], small["wall"] <= WALL]
    tenth, seconds, wall = ("holds" if one else "is missed" for one in held)
    low, high = large["further"]["spread"]
    return [
        f"overhead in a run: {run['share']:.1%} of the whole; the bar of {BAR[0]:.0%} {tenth}",
        (
            f"overhead of a variant in CPU seconds: {first:.3f} of the first, {further:.3f} ({low}–{high}) of a "
            f"further one, {mean:.3f} in the mean of {VARIANTS}; the bar of {BAR[1]} s {seconds}"
        ),
        f"a whole variant of the smallest image: {small['wall']:.2f} s of wall time; the bar of {WALL} s {wall}",
    ]


def main(options: argparse.Namespace) -> None:
    if options.rows:
        print(json.dumps({"stretches": in_a_run(options)} if options.run else measured(options)))
        return
    found = [child(options, *run) for run in RUNS]
    in_runs = pooled(child(options, *RUNS[0], "--run", "--sources", str(SOURCES))["stretches"])
    said = (of_a_run(in_runs), *verdicts(found, in_runs))
    print(table(found), *said, sep="\n")
    pixels = {f"{run['rows']}x{run['columns']}/{name}": sha for run in found for name, sha in run["digests"].items()}
    for run in found:
        del run["digests"]
    if options.out:
        options.out.write_text(json.dumps({"by_stage": found, "in_a_run": in_runs}, indent=1) + "\n")
        told = "\n".join((said[0], "", *(f"* {line}" for line in said[1:])))
        page = ("# What a variant costs outside the network", PAGE, table(found), told)
        options.out.with_suffix(".md").write_text("\n\n".join(page) + "\n")
    if options.digests:
        options.digests.write_text(json.dumps(pixels, indent=1) + "\n")
    if options.expect:
        wanted = json.loads(options.expect.read_text())
        wrong = sorted(name for name in wanted | pixels if wanted.get(name) != pixels.get(name))
        if wrong or not wanted:
            raise SystemExit(f"{len(wrong)} of {len(wanted)} files differ: {', '.join(wrong[:5])}")
        print(f"{len(wanted)} files as expected")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--rows", type=int, help="measure this size alone, in this process, and print JSON")
    parser.add_argument("--columns", type=int, default=2000)
    parser.add_argument("--run", action="store_true", help="measure it in a run, in wall time")
    parser.add_argument("--sources", type=int, default=2, help="that are counted")
    parser.add_argument("--variants", type=int, default=3, help="of each source; the first is counted apart")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--digests", type=Path)
    parser.add_argument("--expect", type=Path)
    main(parser.parse_args())
