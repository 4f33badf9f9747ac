"""Memory is bounded: the largest radiographs there are go through within what a laptop has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from medaug.profile.load import load_profile
from tests.support.paths import ROOT

SIDE = 6000  # px; the largest detectors have 4000 to 5000
BOUND = 6 * 2**30  # bytes
CHILD = """
import json, re, sys
from pathlib import Path
import medaug
from tests.benchmarks.overhead import export
folder = Path(sys.argv[1])
source = export(folder, {side}, {side}, 1)
boxes, profile = folder / "boxes.json", str(folder / "big.yaml")
summary = medaug.run(source, folder / "out", profile=profile, annotations=boxes, seed=7)
status = Path("/proc/self/status").read_text()  # rusage has the parent's peak, too
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024
print(json.dumps({{"written": summary.counts["written"], "peak": peak}}))
"""


def run(folder: Path, side: int) -> dict[str, int]:
    """One variant of a radiograph of side × side px in a process of its own; what it took at most."""
    shipped = load_profile("bone-xray").model_dump(mode="json")
    solver = {"kind": "psld", "steps": 3, "start": 0.3, "omega": 0.03, "gamma": 0.01}
    checks = {name: [None, None] for name in ("seam", "sharpness", "noise", "change")}
    folder.mkdir()
    (folder / "big.yaml").write_text(yaml.safe_dump(shipped | {"name": "big", "solver": solver, "checks": checks}))
    child = [sys.executable, "-c", CHILD.format(side=side), str(folder)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=1500, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.long
@pytest.mark.timeout(1600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_a_radiograph_of_36_million_pixels_runs_within_6_gib_on_a_cpu(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    large, small = run(tmp_path / "large", SIDE), run(tmp_path / "small", 600)
    record_property("peak_gib", large["peak"] / 2**30)
    assert large["written"] == small["written"] == 1
    assert large["peak"] > small["peak"] + 5 * 2 * SIDE**2  # it did hold the image: nothing was left out
    assert large["peak"] < BOUND
