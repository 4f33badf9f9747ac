"""The crash harness where processes read and write for a worker: killed anywhere, the same bytes in the end.

Every step of the disk in this process, which the model of a disk sees; and with real processes, of which one is killed
or all are, at some steps.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from medaug.execution.output import store
from medaug.execution.worker import io_process
from medaug.execution.worker.unit_of_work import work_unit
from medaug.processes.shared_memory import AVAILABLE
from tests.support import null
from tests.support.deaths import first_fault
from tests.support.in_process import asked_here
from tests.support.living import is_there, wait_for
from tests.support.null_processes import null_processes, null_stages
from tests.support.outputs import NUMBERS, continued, faults_of, settled
from tests.support.shared_disk import ALL, ONE, OTHER, SharedDisk, steps_of

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")


@pytest.fixture(autouse=True)
def dated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the processes are asked is answered in this one, whose disk is the model's; those that were started."""
    begun = asked_here(monkeypatch)
    with null_stages():
        yield begun


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["kill", "power"])
def test_whenever_the_disk_dies_nothing_partial_is_visible_and_the_run_ends_the_same(
    tmp_path: Path, here: list[str], how: str, stride: int
) -> None:
    fault, tried = first_fault(tmp_path, how, lambda: work_unit, stride, io_workers=2)
    assert not fault, f"step {tried}: {fault}"
    assert tried > 50
    assert here.count(io_process.CHILD) > tried // stride
    assert null.files(tmp_path / "whole") == settled(tmp_path / "plain", tmp_path / "key")


def test_what_these_processes_do_not_flush_is_missed_after_a_power_loss(tmp_path: Path, here: list[str]) -> None:
    with mock.patch.object(store, "flush_tree"):
        fault, _ = first_fault(tmp_path, "power", lambda: work_unit, 3, io_workers=2)
    assert "whole" in fault
    assert io_process.CHILD in here


# --- the real thing


def killed_at(step: int, dies: str, output: Path, key: Path, options: dict[str, int]) -> tuple[int, list[int]]:
    """Run in a process group of its own, of which one is killed at a step, or all are.

    Returns:
        How the run's own process ended, and who took each step.
    """
    taken = output.with_suffix(".steps")
    child = os.fork()
    if not child:
        try:
            os.setsid()
            disk = SharedDisk(taken, step, dies)
            disk.for_others()
            work = work_unit if "io_workers" in options else null.work
            with null_processes(), disk.watched():
                null.run(output, *NUMBERS, key=key, work=work, **options)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - nothing of pytest may go on in this process
            traceback.print_exc()
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return status, steps_of(taken)


TWO = {"io_workers": 2}
WORKERS = {"workers": 2}
EACH_OF_TWO = {"io_workers": 1, "workers": 2}


@pytest.mark.parametrize(
    ("options", "first", "stride"),
    [
        pytest.param(TWO, 10, 17, marks=pytest.mark.slow),
        pytest.param(WORKERS, 20, 20, marks=pytest.mark.slow),
        pytest.param(EACH_OF_TWO, 20, 25, marks=pytest.mark.slow),
        pytest.param(TWO, 1, 2, marks=pytest.mark.long),
        pytest.param(WORKERS, 1, 4, marks=pytest.mark.long),
        pytest.param(EACH_OF_TWO, 1, 4, marks=pytest.mark.long),
    ],
)
def test_real_processes_are_killed_and_the_same_command_ends_the_same(
    tmp_path: Path, options: dict[str, int], first: int, stride: int
) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", key)
    went_on = 0  # runs that one of their other processes died in
    for number, step in enumerate(itertools.count(first, stride)):
        output, dies = tmp_path / f"out{step}", (ALL, OTHER, ONE)[number % 3]
        status, taken = killed_at(step, dies, output, key, options)
        reached = len(taken) >= step
        went_on += dies == OTHER and len(set(taken[step - 1 :])) > 1
        assert status in ({9} if reached and dies == ALL else {0, 9} if reached and dies == ONE else {0}), step
        wait_for(lambda left=taken: not any(map(is_there, left)))  # those that read and write end with their worker
        assert not faults_of(output), step
        assert not continued(output, key, expected), step
        if not reached:
            break
    assert went_on
    assert step > 100
