"""A process that waits for the one that works, and lets another go on when that one was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medaug.processes.last_resort import ENDED
from medaug.processes.run_on import AGAIN
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the work is done in the process started")

WORK = """
import os, re, signal, sys, time
from pathlib import Path
from medaug.processes.last_resort import last_resort
from medaug.processes.run_on import PASSED_ON, at_work, run_on
run_on(lambda sentence: print(sentence, file=sys.stderr))
starts, what = Path(sys.argv[1]), sys.argv[2]
with starts.open("a") as file:
    file.write(f"{os.getpid()}\\n")
count = len(starts.read_text().splitlines())
if what == "wait":
    signal.signal(PASSED_ON, lambda *_: sys.exit(130))
    time.sleep(60)
if what == "note":
    for number in (signal.SIGTERM, PASSED_ON):
        signal.signal(number, lambda number, _: os.write(1, f"{signal.Signals(number).name}\\n".encode()))
    print("ready", flush=True)
    for _ in range(600):
        time.sleep(0.1)
if what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if what != "before work":
    at_work()
if count < 3:
    with last_resort(0.2):
        re.match("(a+)+$", "a" * 60 + "b")
sys.exit(7)
"""


def started(starts: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORK, str(starts), what]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("what", "code", "times"), [("work", 7, 3), ("before work", -ENDED, 1), ("killed", -signal.SIGKILL, 1)]
)
def test_who_was_ended_at_work_is_followed_by_another(tmp_path: Path, what: str, code: int, times: int) -> None:
    with started(tmp_path / "starts", what) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == code
    assert len(set((tmp_path / "starts").read_text().split())) == times
    assert said.count("left alone; going on with the others") == times - 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_one_that_waits_ends_the_one_that_works(tmp_path: Path, number: signal.Signals) -> None:
    starts = tmp_path / "starts"
    with started(starts, "wait") as process:
        while not (starts.exists() and starts.read_text().endswith("\n")):
            time.sleep(0.05)
        child = int(starts.read_text())
        assert child != process.pid
        time.sleep(0.3)  # until it handles the signal
        process.send_signal(number)
        assert process.wait(timeout=60) == (130 if number == signal.SIGTERM else -number)
        for _ in range(100):
            if not alive(child):
                break
            time.sleep(0.1)
        assert not alive(child)


def test_what_a_whole_group_is_sent_comes_once_and_later_ones_are_passed_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path / "starts"), "note"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGTERM)
        assert {process.stdout.readline() for _ in range(2)} == {"SIGTERM\n", "SIGUSR1\n"}
        time.sleep(AGAIN + 0.1)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGTERM\n"
        process.kill()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
