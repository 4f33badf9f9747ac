"""Reading and writing in processes of their own: the same bytes, and nothing is lost when they die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import medaug
from medaug.execution.execute import execute
from medaug.execution.output import quarantine
from medaug.execution.worker import io_process, solver_process
from medaug.execution.worker.io_process import IoProcess, ToFinish, ToPrepare, ToWarm
from medaug.processes.shared_memory import AVAILABLE
from tests.support.in_process import asked_here
from tests.support.small_runs import contents, small_profile

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")
ONE_STEP = {"kind": "psld", "steps": 1, "start": 0.3, "omega": 0.05, "gamma": 0.01}


@pytest.fixture
def quick(arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    asked = arguments | {"profile": small_profile(tmp_path / "quick", solver=ONE_STEP), "device": "cpu", "variants": 1}
    return {name: value for name, value in asked.items() if name != "output"}


def test_bytes_are_the_same_for_any_number_of_them(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asked_here(monkeypatch)
    outputs = [medaug.run(output=tmp_path / f"out{n}", io_workers=n, **quick).output for n in (0, 1, 2)]
    none, one, two = map(contents, outputs)
    assert len(none) == 2 * 8
    assert none == one == two
    assert sorted(begun) == ["medaug.children.read_write"] * 3 + ["medaug.children.solve"] * 2
    assert [list((output / ".staging").glob("*.*")) for output in outputs] == [[], [], []]


@pytest.mark.parametrize("stage", [ToPrepare, ToFinish])
def test_what_one_dies_over_is_tried_again_alone_then_left_alone(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: type
) -> None:
    plan = medaug.plan(**quick, io_workers=2)
    once, always = (unit.recipe.id for unit in plan.units)
    died: list[str] = []
    read: list[str] = []

    def dies(task: object) -> bool:
        key = task.unit.recipe.id if isinstance(task, ToPrepare) else getattr(task, "unit", "")
        if isinstance(task, ToPrepare):
            read.append(key)
        if not isinstance(task, stage) or not (key == always or (key == once and once not in died)):
            return False
        died.append(key)
        return True

    asked_here(monkeypatch, dies)
    summary = execute(plan, tmp_path / "out")
    assert summary.counts == {"written": 1, "failed": 1}
    assert died.count(once) == 1
    assert read.count(once) == read.count(always) == 2
    assert died.count(always) >= 1  # once less where both were in one process, and the first took the other along
    (entry,) = quarantine.entries(tmp_path / "out")
    reached = {ToPrepare: "read", ToFinish: "write"}[stage]
    assert (entry.unit, entry.code, entry.stage) == (always, quarantine.WORKER_DIED, reached)
    assert list((tmp_path / "out" / ".staging").glob("*.*")) == []


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("stage", [ToWarm, ToPrepare, ToFinish])
def test_one_that_dies_once_costs_no_unit_also_where_there_is_only_one_or_it_loads(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: type, units: int
) -> None:
    died: list[object] = []

    def dies(task: object) -> bool:
        if not isinstance(task, stage) or died:
            return False
        died.append(task)
        return True

    asked_here(monkeypatch, dies)
    planned = medaug.plan(**quick, io_workers=1)
    assert execute(replace(planned, units=planned.units[:units]), tmp_path / "out").counts == {"written": units}
    assert died
    assert not quarantine.entries(tmp_path / "out")


@pytest.mark.slow
def test_processes_that_are_killed_in_a_storm_lose_nothing(
    quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ones, killed again and again at any moment; what was killed twice is tried again by the next run."""
    made: list[IoProcess] = []

    class Kept(IoProcess):
        def __init__(self, setup: Callable[[], io_process.Setup]) -> None:
            super().__init__(setup)
            made.append(self)

    monkeypatch.setattr("medaug.execution.worker.worker.IoProcess", Kept)
    monkeypatch.setattr(solver_process, "CHILD", "tests.support.quick_solver")
    over, killed = threading.Event(), [0]

    def storm() -> None:
        while not over.wait(0.5):
            for process in made:
                if process.pid and process._held and killed[0] < 8:  # it was set up
                    os.kill(process.pid, signal.SIGKILL)
                    killed[0] += 1
            time.sleep(1)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        medaug.run(output=tmp_path / "out", io_workers=2, **quick | {"variants": 2})
    finally:
        over.set()
        thread.join()
    assert killed[0] > 1
    assert list((tmp_path / "out" / ".staging").glob("*.*")) == []
    for entry in quarantine.entries(tmp_path / "out"):
        (tmp_path / "out" / "quarantine" / f"{entry.unit[:16]}.json").unlink()
    assert medaug.run(output=tmp_path / "out", io_workers=1, **quick | {"variants": 2}).counts == {"written": 4}
    medaug.run(output=tmp_path / "whole", io_workers=0, **quick | {"variants": 2})
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
