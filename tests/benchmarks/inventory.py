"""Time and memory of `inventory` over a large export: python -m tests.benchmarks.inventory [FILES] [-o RESULT.json].

The export is built first; what is measured runs in a process of its own. Prints a line of Markdown.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pydicom

from medaug.execution.planning.inventory import inventory
from tests.support import make

SLICES = 100


def build(root: Path, files: int) -> None:
    """Copies of one CT under other UIDs, 100 slices a series; unpatched bytes are the phantom's."""
    template = [(path.name, pydicom.dcmread(path)) for path in make.series(root / "template", slices=SLICES)]
    shutil.rmtree(root / "template")
    for series in range(files // SLICES):
        folder = root / f"{series:04d}"
        folder.mkdir()
        for name, ds in template:
            ds.SeriesInstanceUID, ds.StudyInstanceUID = make.uid("s", series), make.uid("st", series // 4)
            ds.SOPInstanceUID = make.uid("i", series, name)
            ds.save_as(folder / name, enforce_file_format=True)


def measured(root: Path) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = inventory(root)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"series": found.usable, "wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mib": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="?", type=int, default=20_000)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", type=Path)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measured(given.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), given.files)
        command = [sys.executable, "-m", "tests.benchmarks.inventory", "--measure", folder]
        result = {"files": given.files, **json.loads(subprocess.run(command, capture_output=True, check=True).stdout)}
    if given.output:
        given.output.write_text(json.dumps(result, indent=2) + "\n")
    print("| files | series | wall s | processor s | peak MiB |\n|---|---|---|---|---|")
    print(f"| {' | '.join(str(value) for value in result.values())} |")


if __name__ == "__main__":
    main()
