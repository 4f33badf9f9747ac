"""How much processor time passes from `medaug run` to its first unit, children included: what the hand waits for.

    taskset -c 0 python tests/benchmarks/first_unit.py [--times 3]

One drawn radiograph of 400 × 300 px with one COCO box, the profile bone-xray and its embedded prior; each time in a
process of its own. Linux, since the children's time is read from /proc while they live.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


def children() -> float:
    """Seconds of the processes that this one has started and that live."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def once(folder: Path) -> None:
    """Run it in this process, and say when the first unit was there."""
    from medaug.cli import main, progress

    shown = progress.Voice.progress

    def told(voice: progress.Voice, *what: Any) -> None:
        sys.stderr.write(f"{time.process_time() + children():.2f} s to the first unit, {children():.2f} in children\n")
        shown(voice, *what)

    progress.Voice.progress = told  # type: ignore[method-assign]
    words = ("run", folder / "in", "-o", folder / "out", "-a", folder / "boxes.json", "--quiet")
    sys.argv = ["medaug", *map(str, words)]
    main()


def export(folder: Path) -> None:
    """One radiograph and its box."""
    from tests.support import make

    (folder / "in").mkdir()
    make.radiograph(folder / "in", name="a.dcm", rows=400, columns=300)
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [100, 150, 60, 60]}
    boxes = {
        "images": [{"id": 1, "file_name": "a.dcm", "width": 300, "height": 400}],
        "annotations": [box],
        "categories": [{"id": 1, "name": "fracture"}],
    }
    (folder / "boxes.json").write_text(json.dumps(boxes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--in", dest="folder", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if given.folder:
        once(given.folder)
    for _ in range(0 if given.folder else given.times):
        with tempfile.TemporaryDirectory() as made:
            export(Path(made))
            subprocess.run([sys.executable, __file__, "--in", made], check=True, stdout=subprocess.DEVNULL)
