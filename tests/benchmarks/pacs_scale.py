"""Seconds and memory of fetching and sending many images, against an Orthanc of this machine's own.

python -m tests.benchmarks.pacs_scale FOLDER [SLICES]          three series are fetched, four ways
python -m tests.benchmarks.pacs_scale FOLDER --send OUTPUT     an OUTPUT (`verify_scale.py` makes large ones) is sent,
                                                               two ways, each to an empty archive
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support import make
from tests.support.orthanc import Orthanc

CHILD = """
import json, re, sys, time
from pathlib import Path
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.archive import Query
from medaug.pacs.connect import connected
from medaug.pacs.deidentify.options import deidentification_of
from medaug.pacs.fetch import Order, fetch
from medaug.pacs.folder import Asked, opened
address, folder, how = sys.argv[1:4]
wall, cpu = time.perf_counter(), time.process_time()
with opened(Path(folder), Asked(address, how)) as there, connected(address_of(address), Access()) as node:
    done = fetch(node, there, Order(Query(), deidentification_of(how) if how else None))
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
print(json.dumps({"images": done.images, "seconds": round(time.perf_counter() - wall, 1),
    "cpu": round(time.process_time() - cpu, 1), "peak_mb": peak}))
"""


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.argv[2:3] == ["--send"]:
        send(folder, Path(sys.argv[3]))
    else:
        fetch(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 300)


def send(folder: Path, output: Path) -> None:
    for name in ("dicomweb", "dimse"):
        archive = Orthanc(folder / name)
        archive.start()
        try:
            address = archive.dicomweb if name == "dicomweb" else archive.dicom
            command = [sys.executable, "-m", "medaug", "send", str(output), address, "--json", "--no-evidence"]
            started = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            said = child.stdout.read() if child.stdout else ""
            _, status, used = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - started
            cpu = used.ru_utime + used.ru_stime
            peak = used.ru_maxrss // 1024
            print(name, said.strip(), f"exit {status >> 8}, {seconds:.1f} s, {cpu:.1f} s of CPU, peak {peak} MB")
        finally:
            archive.kill()


def fetch(folder: Path, slices: int) -> None:
    archive = Orthanc(folder / "archive")
    archive.start()
    try:
        for seed in range(3):
            for path in make.series(folder / f"ct{seed}", slices=slices, rows=512, columns=512, seed=seed):
                archive.put(path.read_bytes())
        for name, address in (("dicomweb", archive.dicomweb), ("dimse", archive.dicom)):
            for how in ("", "basic"):
                target = folder / f"{name}-{how or 'declared'}"
                started = time.perf_counter()
                said = subprocess.run(
                    [sys.executable, "-c", CHILD, address, str(target), how], capture_output=True, text=True, check=True
                )
                print(name, how or "declared", json.loads(said.stdout), f"{time.perf_counter() - started:.1f} s in all")
    finally:
        archive.kill()


if __name__ == "__main__":
    main()
