"""`tests/benchmarks/gpu.py` on a CPU and a small architecture, where no more can be imported than a GPU box has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

BEYOND = ("pydicom", "scipy", "SimpleITK", "highdicom", "monai", "ray", "typer", "matplotlib")
CHILD = f"""
import importlib.machinery, runpy, sys
found = importlib.machinery.PathFinder.find_spec
def find_spec(cls, name, path=None, target=None):
    return None if name.split(".")[0] in {BEYOND!r} else found(name, path, target)
importlib.machinery.PathFinder.find_spec = classmethod(find_spec)
sys.argv = ["gpu.py", *sys.argv[1:]]
runpy.run_path("tests/benchmarks/gpu.py", run_name="__main__")
"""
OPTIONS = ("--small", "--device", "cpu", "--precision", "float32", "--size", "32", "--batch", "1", "2")


def test_it_runs_with_the_tensor_half_alone_and_says_what_a_solve_costs(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    child = [sys.executable, "-c", CHILD, *OPTIONS, "--method", "upstream", "default", "--out", str(out)]
    done = subprocess.run(child, capture_output=True, text=True, timeout=280, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(out.read_text())
    rows = {(row["method"], row["batch"]): row for row in found["rows"]}
    assert set(rows) == {(method, batch) for method in ("upstream", "default") for batch in (1, 2)}
    for (_, batch), row in rows.items():
        assert row["s_per_image"] >= row["steps"] * row["step_s"] / batch > 0
        assert row["peak_gb"] is None  # a CPU has no such count
    dear, cheap = rows["upstream", 1], rows["default", 1]
    assert (dear["steps"], cheap["steps"]) == (1000, 25)
    assert 30 < dear["tflop_per_image"] / cheap["tflop_per_image"] < 42  # 1000 / 25, and what comes once
    assert found["matrix_tflop_per_s"] > 0
    assert found["verdicts"]["times_upstream"] == (
        min(rows["upstream", b]["s_per_image"] for b in (1, 2)) / min(rows["default", b]["s_per_image"] for b in (1, 2))
    )
