"""Where a unit's time goes: ``python tests/benchmarks/overhead.py``, a radiograph of 2500 × 2000 px, DICOM in and out.

A radiograph is built in code and variants are made of it as `medaug.run` makes them, with previews, evidence and
record; the first warms up and isn't counted. Each stage is timed where it is called, without the stages inside it, in
CPU seconds of all threads (`time.process_time`), since a busy machine stretches wall time. *Network* is the solver and
the round trip through the autoencoder. All else is the overhead, but for what is done once per source, reading and the
domain, whose price is printed apart; its bar is 10 % of the whole and 0.5 s. The wall time of a whole variant is
printed too: its bar is 2 s on two idle cores. ``--digests FILE`` writes a digest of the pixels of every file, so that
two versions of the code can be compared: ``--expect FILE`` fails where one differs.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import medaug
from medaug import assemble, augmentation
from medaug.augmentation import Tools
from medaug.execution import files, work
from medaug.execution.execute import Options, execute
from medaug.execution.store import Store
from tests import make
from tests.benchmarks.tables import markdown

BAR = (0.10, 0.5)  # share of the whole, seconds
NETWORK, READING, DOMAIN, REST = "network", "reading", "regions: domain", "all else"
APART = {NETWORK, READING, DOMAIN}
STAGES = {  # label → where the functions of a stage are looked up
    DOMAIN: [(Tools, "domain")],
    "regions: laws and grids": [(augmentation, "_regions_on_grid"), (augmentation, "_regions_native")],
    "regions: taper": [(augmentation, "seam_taper")],
    "presentation": [(augmentation.Presentation, "present")],
    "restoring": [(Tools, "restore"), (augmentation.Volume, "with_modality")],
    "checks": [(augmentation, "inspect")],
    "previews": [(work, "write_previews")],
    "evidence": [(files, "write_evidence")],
    "image": [(work, "write_image")],
    "digests": [(work, "describe_output")],
    "record and commit": [(work, "to_record"), (Store, "commit")],
    NETWORK: [(augmentation, "solve_rows")],
    READING: [(work.Bench, "volume")],
}


class Clock:
    """Exclusive CPU seconds by stage and unit; a stage inside another stops the outer one."""

    def __init__(self) -> None:
        self.units: list[dict[str, float]] = []
        self.walls: list[float] = []
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def inner(*args: Any, **kwargs: Any) -> Any:
            if stage == REST:
                self.units.append(defaultdict(float))
            self._tick()
            self._running.append(stage)
            began = time.monotonic()
            try:
                return call(*args, **kwargs)
            finally:
                self._tick()
                self._running.pop()
                if stage == REST:
                    self.walls.append(time.monotonic() - began)

        return inner

    def _tick(self) -> None:
        now = time.process_time()
        if self._running and self.units:
            self.units[-1][self._running[-1]] += now - self._since
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


def export(folder: Path, rows: int, columns: int) -> Path:
    """One radiograph, and its box as COCO."""
    make.radiograph(folder / "in", name="a.dcm", rows=rows, columns=columns, seed=3)
    box = make.lesion((1, rows, columns))
    (_, top, left), (_, bottom, right) = box.start, box.stop
    coco = {
        "images": [{"id": 0, "file_name": "a.dcm", "width": columns, "height": rows}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
        "categories": [{"id": 1, "name": "lesion"}],
    }
    (folder / "boxes.json").write_text(json.dumps(coco))
    (folder / "key").write_bytes(bytes(range(32)))
    return folder / "in"


def digests(output: Path) -> dict[str, str]:
    """Of every image, preview and evidence file, by relative path; dates and versions of the run are in headers."""
    import pydicom

    found = {}
    for path in sorted(p for p in (output / "variants").rglob("*") if p.suffix in {".dcm", ".png"}):
        content = pydicom.dcmread(path).get("PixelData", b"") if path.suffix == ".dcm" else path.read_bytes()
        found[path.relative_to(output).as_posix()] = hashlib.sha256(content).hexdigest()
    return found


def main(options: argparse.Namespace) -> None:
    clock = Clock()
    attach(clock)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = export(folder, options.rows, options.columns)
        planned = medaug.plan(
            source,
            profile=options.profile,
            annotations=folder / "boxes.json",
            variants=options.variants + 1,
            seed=7,
        )
        # one piece of work per unit keeps it in one thread; `medaug run` solves one unit while it writes another
        unit = clock.timed(REST, work.work_unit)
        execute(planned, folder / "out", Options(device="cpu", key_file=folder / "key"), work=unit)
        found = digests(folder / "out")
    rows = _rows(clock.units[1:])
    print(markdown(rows))
    whole = {row["stage"]: row["cpu_s"] for row in rows}
    share = whole["overhead"] / (whole["overhead"] + whole[NETWORK])
    verdict = "holds" if share <= BAR[0] and whole["overhead"] <= BAR[1] else "is missed"
    print(f"\noverhead {whole['overhead']:.3f} s, {share:.1%} of the whole")
    print(f"the bar of {BAR[0]:.0%} and {BAR[1]} s {verdict}")
    once, wall = clock.units[0][DOMAIN], float(np.median(clock.walls[1:]))
    print(f"domain, once per source: {once:.3f} s; a whole variant: {wall:.2f} s of wall time")
    if options.out:
        options.out.write_text(
            json.dumps({"rows": rows, "share": share, "domain_s": once, "wall_s": wall}, indent=1) + "\n"
        )
    if options.digests:
        options.digests.write_text(json.dumps(found, indent=1) + "\n")
    if options.expect:
        wanted = json.loads(options.expect.read_text())
        wrong = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
        if wrong or not wanted:
            raise SystemExit(f"{len(wrong)} of {len(wanted)} files differ: {', '.join(wrong[:5])}")
        print(f"{len(wanted)} files as expected")


def _rows(units: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Medians over the units, the largest stage first, with quartiles; the overhead's sum last."""
    stages = {stage: [unit.get(stage, 0.0) for unit in units] for stage in (*STAGES, REST)}
    overhead = [sum(s for stage, s in unit.items() if stage not in APART) for unit in units]
    rows = [
        {"stage": stage, "cpu_s": round(float(np.median(x)), 4), "spread": f"{min(x):.3f}–{max(x):.3f}"}
        for stage, x in [*stages.items(), ("overhead", overhead)]
    ]
    return sorted(rows, key=lambda row: -row["cpu_s"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--columns", type=int, default=2000)
    parser.add_argument("--variants", type=int, default=3, help="that are counted")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--digests", type=Path)
    parser.add_argument("--expect", type=Path)
    main(parser.parse_args())
