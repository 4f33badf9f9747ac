"""What starting an executor costs, and what it adds to each unit, beside serial.

    python tests/benchmarks/executors.py FOLDER [--units 200] [--json FILE]

Work that takes no time but commits durably, with two workers for processes and Ray. The first outcome comes when
workers are up; what a unit costs is the time from there on. All three on one machine, one after the other.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from medaug.execution.execute import execute
from medaug.execution.planning.request import ExecutorName
from tests.support import null

WORKERS: dict[ExecutorName, int] = {"serial": 1, "processes": 2, "ray": 2}


def measured(folder: Path, name: ExecutorName, units: int) -> tuple[float, float]:
    """Seconds until the first unit is done, and milliseconds for each after it."""
    done: list[float] = []
    started = time.perf_counter()
    execute(
        null.plan(*range(units), executor=name, workers=WORKERS[name]),
        folder / name,
        on_progress=lambda _: done.append(time.perf_counter() - started),
        work=null.work,
    )
    assert len(done) == units
    return done[0], 1e3 * (done[-1] - done[0]) / (units - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = {}
    print("| executor | workers | first unit after | each further unit |\n|---|---|---|---|")
    for name, workers in WORKERS.items():
        first, each = measured(given.folder, name, given.units)
        figures[name] = {"workers": workers, "first_unit_s": first, "each_ms": each}
        print(f"| {name} | {workers} | {first:.1f} s | {each:.1f} ms |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
