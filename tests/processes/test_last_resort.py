"""A call that never returns and lets no other thread run ends the process, which says where; nothing else does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from medaug.processes.last_resort import ended_so, last_resort
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of processor time")

HEAD = """
import re, sys, time
from pathlib import Path
from medaug.processes.last_resort import last_resort
def endless():
    re.match("(a+)+$", "a" * 60 + "b")  # one call of C that holds the interpreter's lock for years
def spin(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        sum(range(1000))
first, second = Path(sys.argv[1]), Path(sys.argv[2])
"""


def outcome(folder: Path, body: str) -> tuple[int, str, str]:
    """Exit status, and what each trace holds below its first line."""
    traces = folder / "first", folder / "second"
    for trace in traces:
        trace.write_text("solve\n")
    done = subprocess.run(
        [sys.executable, "-c", HEAD + body, *map(str, traces)],
        check=False,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    first, second = (trace.read_text().removeprefix("solve\n") for trace in traces)
    return done.returncode, first, second


def test_an_endless_call_ends_the_process_and_is_noted(tmp_path: Path) -> None:
    body = (
        "with last_resort(60, first), last_resort(0.5, second):\n    spin(0.1)\nwith last_resort(0.5, first): endless()"
    )
    status, first, second = outcome(tmp_path, body)
    assert ended_so(status)
    assert "re" in first
    assert second == ""


def test_what_gets_on_in_steps_goes_on(tmp_path: Path) -> None:
    body = "with last_resort(1, first) as anew:\n    for _ in range(6): spin(0.6); anew()\nspin(2.5)"
    assert outcome(tmp_path, body) == (0, "", "")


def test_the_first_end_of_several_counts(tmp_path: Path) -> None:
    body = "with last_resort(60, first), last_resort(0.5, second), last_resort(50): endless()"
    status, first, second = outcome(tmp_path, body)
    assert ended_so(status)
    assert (first == "", second == "") == (True, False)


def test_the_limit_is_as_before_when_all_is_done() -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    with last_resort(1000), last_resort(500):
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        assert hard == before[1]
        assert 500 <= soft < 3000
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


def test_a_limit_that_the_process_had_of_its_own_is_kept_and_put_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    own = (500_000, before[1])
    resource.setrlimit(resource.RLIMIT_CPU, own)
    try:
        with last_resort(1e6):
            assert resource.getrlimit(resource.RLIMIT_CPU) == own
            with last_resort(1e3):
                assert resource.getrlimit(resource.RLIMIT_CPU)[0] < own[0]
            assert resource.getrlimit(resource.RLIMIT_CPU) == own
        assert resource.getrlimit(resource.RLIMIT_CPU) == own
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, before)
