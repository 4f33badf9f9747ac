"""Time and memory of `inventory` over a large export: python tests/benchmarks/inventory.py [FILES]."""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pydicom

from medaug.execution.inventory import inventory
from tests import make

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


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), files)
        wall, cpu = time.perf_counter(), time.process_time()
        found = inventory(Path(folder))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{files} files, {found.usable} series usable: {wall:.1f} s, {cpu:.1f} s of CPU")
    print(f"peak of the process {peak / 1024:.0f} MiB, building the export included")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
