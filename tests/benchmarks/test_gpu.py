"""`tests/benchmarks/gpu.py` on a CPU at toy sizes, from a folder where nothing of the repository lies beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import medaug
from tests.benchmarks import gpu
from tests.support.paths import ROOT
from tests.support.quick_prior import quick_prior

BESIDE = """
import sys
sys.modules["tests"] = None  # there is an installed medaug alone
sys.argv = ["gpu.py", *sys.argv[1:]]
import runpy
runpy.run_path("gpu.py", run_name="__main__")
"""
PRIORS, METHODS = ("sd-1.4", "embedded"), ("upstream", "bone-xray")
OPTIONS = ("--smoke", "--device", "cpu", "--precision", "float32", "--method", *METHODS)


def alone(folder: Path, *options: str) -> dict[str, Any]:
    """What it finds, run in a folder of its own."""
    shutil.copy(ROOT / "tests/benchmarks/gpu.py", folder)
    child = [sys.executable, "-c", BESIDE, *OPTIONS, *options, "--out", "gpu.json"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(child, capture_output=True, text=True, timeout=280, check=False, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads((folder / "gpu.json").read_text())
    return found


def test_a_solve_costs_its_steps_and_what_comes_once() -> None:
    rows = []
    for name in PRIORS:
        rows += gpu.Bench(name, quick_prior(), 32, "cpu").rows([*METHODS], [1])
    check(rows, gpu.verdicts(rows, 1.0))


@pytest.mark.slow
def test_it_runs_alone_and_says_what_a_solve_costs(tmp_path: Path) -> None:
    found = alone(tmp_path, "--batch", "1", "--images", "0")
    assert found["run"] is None
    check(found["rows"], found["verdicts"])


def check(found: list[dict[str, Any]], verdicts: dict[str, Any]) -> None:
    rows = {(row["prior"], row["method"], row["batch"]): row for row in found}
    assert set(rows) == {(name, method, batch) for name in PRIORS for method in METHODS for batch in (1,)}
    for (_, _, batch), row in rows.items():
        assert row["s_per_image"] >= row["steps"] * row["step_s"] / batch > 0
        assert row["images_per_s"] == pytest.approx(1 / row["s_per_image"])
        assert row["peak_gb"] is None  # a CPU has no such count
    steps = medaug.load_profile("bone-xray").solver.steps
    for name in PRIORS:
        dear, cheap = (rows[name, method, 1] for method in METHODS)
        assert (dear["steps"], cheap["steps"]) == (1000, steps)
        assert 50 < dear["tflop_per_image"] / cheap["tflop_per_image"] < 1000 / steps  # the closing comes once
    theirs, default = (rows["sd-1.4", method, 1]["s_per_image"] for method in METHODS)
    assert verdicts["times_upstream"] == theirs / default


@pytest.mark.long
def test_it_says_how_long_a_device_waits_in_a_whole_run(tmp_path: Path) -> None:
    run = alone(tmp_path, "--batch", "8", "--images", "2")["run"]
    assert (run["images"], run["solved"], run["batch"]) == (2, 2, 8)
    assert run["images_per_s"] == pytest.approx(2 / run["seconds"])
    assert 0 < run["device_waits"] < 1
