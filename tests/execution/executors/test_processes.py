"""Several processes. Each test waits for interpreters that import the package, so there are few of them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from medaug.errors import OutputError
from medaug.execution.execute import execute
from medaug.execution.output import quarantine
from medaug.execution.planning.units import Unit
from tests.support import null
from tests.support.outputs import written
from tests.support.poison import POISON, full, poisoned

pytestmark = pytest.mark.slow  # interpreters that import the package, several seconds each


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    return tmp_path / "key"


def test_killed_workers_lose_nothing_and_a_poisonous_unit_is_left_alone(tmp_path: Path, dated: Path) -> None:
    numbers = range(1, 9)
    steps: list[tuple[Unit, int, int]] = []
    plan = null.plan(*numbers, key=dated, workers=2)
    summary = execute(plan, tmp_path / "out", on_step=lambda *step: steps.append(step), work=poisoned)
    assert summary.counts == {"written": 7, "failed": 1}
    assert [entry.unit for entry in quarantine.entries(tmp_path / "out")] == [POISON]
    assert len(steps) >= 8
    lines = [record.unit for record in written(tmp_path / "out")]
    assert len(lines) == len(set(lines)) == 7
    null.run(tmp_path / "one", *numbers, key=dated)
    one, many = null.files(tmp_path / "one"), null.files(tmp_path / "out")
    assert {name for name in one if name.startswith("variants/")} > {n for n in many if n.startswith("variants/")}
    assert all(one[name] == data for name, data in many.items() if name.startswith("variants/"))


def test_what_no_unit_would_survive_reaches_the_user(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no room"):
        null.run(tmp_path / "out", 1, 2, work=full, workers=2)


SLOW = """
import sys, time
from pathlib import Path
from tests.support import null
from tests.support.outputs import written
def work(job, on_step=None):
    time.sleep(float(sys.argv[2]))
    return null.work(job)
null.run(Path(sys.argv[1]), *range(1, 13), work=work, key=Path(sys.argv[3]))
"""


def test_three_runs_on_one_output_in_a_storm_of_kills_end_as_one_run_does(tmp_path: Path, dated: Path) -> None:
    """Same plan, no shards: leases keep them apart, and whoever finds nothing to do writes the lists."""
    out = tmp_path / "out"
    command = [sys.executable, "-c", SLOW, str(out), "0.05", str(dated)]
    for _ in range(2):
        runs = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
        deadline = time.monotonic() + 60
        while not any((out / "variants").glob("*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in runs:
            process.kill()
            process.wait()
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [(p.communicate()[1], p.returncode) for p in runs] == [("", 0)] * 3
    null.run(tmp_path / "one", *range(1, 13), key=dated)
    assert null.files(out) == null.files(tmp_path / "one")
    lines = [record.unit for record in written(out)]
    assert len(lines) == len(set(lines)) == 12
