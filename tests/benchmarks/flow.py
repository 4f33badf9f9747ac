"""Units a second beside a device that takes 2 ms a row, by the number of processes that read and write.

    OMP_NUM_THREADS=1 python tests/benchmarks/flow.py [--io-workers 1,2] [--sources 12] [--json FILE]
    python tests/benchmarks/flow.py --model [--first S --further S --write S --bytes N] [--disk N]

The stand-in device waits 2 ms for each row of a full batch of 64, as a processor does while a device works, and gives
back what it was shown, a little darker. All else is as in a run: radiographs of 2500 × 2000 built in code, four
variants of each, processes, shared memory, leases, evidence, previews, durable commits. The rate is that of all units,
from when the processes have started; seconds of processor are of all units, the worker's own and its processes'. Linear
means that N processes pass N times the units of one. Where others use the cores, too, the share of the time in which
the processes are at work tells as much: what is missing of it, the worker kept them waiting for.

``--model`` lets units pass the discrete-event model of `medaug.execution.planning.flow` with these costs, on 16 and 64
cores, and tells the device's share of waiting and what holds the units back, for numbers of processes up to one fewer
than there are cores: the worker and what launches a solve need one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import medaug
from medaug import assemble
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.execution.execute import moment
from medaug.execution.output.lists import listing_of
from medaug.execution.output.open import open_store
from medaug.execution.planning.flow import Costs, Machine, simulated
from medaug.execution.planning.plan import Plan
from medaug.execution.worker.io_process import IoProcess
from medaug.execution.worker.pipeline import work_through
from medaug.execution.worker.shared_slices import SharedSlice
from medaug.execution.worker.worker import Worker
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.profile.load import load_profile
from tests.benchmarks.overhead import export
from tests.benchmarks.tables import markdown

ROW, BATCH = 0.002, 64  # seconds, rows
VARIANTS = 4
UNCHECKED = ("change", "seam", "sharpness", "noise", "observed_residual", "changed_share")  # noise need not pass


def planned_in(folder: Path, sources: int) -> Plan:
    profile = load_profile("bone-xray")
    profile = profile.model_copy(update={"checks": dict.fromkeys(UNCHECKED, (None, None))})
    images = export(folder, 2500, 2000, sources)
    return medaug.plan(images, profile=profile, annotations=folder / "boxes.json", variants=VARIANTS, device="cpu")


def device(rows: Sequence[PresentedSlice], *_: Any) -> list[SolvedSlice]:
    time.sleep(ROW * BATCH)
    found = []
    for row in rows:
        made = SolvedSlice(row.pixels * 0.98, row.pixels)
        if isinstance(row, SharedSlice):
            row.answer.put(made)
            made = row.answer
        found.append(made)
    return found


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of(process: int | None) -> float:
    """Of a living process, until now."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def at_work(processes: Sequence[IoProcess]) -> list[float]:
    """Seconds of each task from now on, as they end."""
    found: list[float] = []

    def timed(ask: Callable[[object], Any]) -> Callable[[object], Any]:
        def asked(task: object) -> Any:
            began = time.monotonic()
            try:
                return ask(task)
            finally:
                found.append(time.monotonic() - began)

        return asked

    for process in processes:
        process._ask = timed(process._ask)  # type: ignore[method-assign]
    return found


def measured(planned: Plan, output: Path, io_workers: int) -> dict[str, float]:
    store, _ = open_store(output, planned.profile, listing_of(planned.units, planned.skips), moment())
    card = assemble.load_prior(planned.profile, "cpu").card
    worker = Worker(planned.request, output, threads=1, io_workers=io_workers)
    tools = assemble.tools(planned.profile, "cpu", RemotePrior(card))
    solve = replace(tools.solve, batch_size=BATCH, full=True)
    worker.__dict__["tools"] = replace(tools, solve=solve, solve_slices=device)
    before = spent()
    for process in worker.io_processes:
        process.warm()
    asked = at_work(worker.io_processes)
    before_units = [cpu_of(process.pid) for process in worker.io_processes]
    started, units = time.monotonic(), 0
    for _, record in work_through(worker, store, planned.units):
        assert record is not None
        assert record.status == "written", record.message
        units += 1
    took = time.monotonic() - started
    theirs = sum(cpu_of(process.pid) for process in worker.io_processes) - sum(before_units)
    worker.__dict__["_solver"] = None
    worker.close()
    return {
        "processes": io_workers,
        "units a second": units / took,
        "worker's CPU s a unit": (spent() - before) / units,
        "processes' CPU s a unit": theirs / units,
        "processes at work": sum(asked) / (took * max(1, io_workers)),
        "device waits": 1 - ROW * BATCH * -(-units // BATCH) / took,
    }


def modelled(costs: Costs, disk: float) -> list[dict[str, Any]]:
    lines = []
    for cores in (16, 64):
        counts = sorted({cores // 4, cores // 2, 3 * cores // 4, cores - 1})
        flows = {n: simulated(costs, Machine(n, BATCH, disk), 4000, VARIANTS) for n in counts}
        best = min(n for n in counts if flows[n].rate > 0.98 * max(flow.rate for flow in flows.values()))
        for n, flow in flows.items():
            line = {"cores": cores, "processes": f"**{n}**" if n == best else n, "units a second": f"{flow.rate:.1f}"}
            lines.append(line | {"device waits": f"{1 - flow.busy['solving']:.0%}", "held back by": flow.held_by})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--io-workers", default="1,2")
    parser.add_argument("--sources", type=int, default=12)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--first", type=float, default=0.2)
    parser.add_argument("--further", type=float, default=0.005)
    parser.add_argument("--write", type=float, default=0.2)
    parser.add_argument("--bytes", type=float, default=13e6)
    parser.add_argument("--disk", type=float, default=1e9, help="bytes a second")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.model:
        costs = Costs(given.first, given.further, given.write, ROW, bytes=given.bytes)
        found = modelled(costs, given.disk)
    else:
        os.environ["SOURCE_DATE_EPOCH"] = "1750000000"
        with tempfile.TemporaryDirectory() as name:
            planned = planned_in(Path(name), given.sources)
            counts = [int(count) for count in given.io_workers.split(",")]
            runs = [measured(planned, Path(name) / f"out{count}", count) for count in counts]
        found = [{key: round(value, 3) for key, value in run.items()} for run in runs]
        print("load average", os.getloadavg(), "cores", len(os.sched_getaffinity(0)))
    print(markdown(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
