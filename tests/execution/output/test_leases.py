"""Leases, attempts and quarantine: what a dead worker leaves, and what is done about it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from medaug.audit.record import Record
from medaug.augmentation.prepare import PresentTools
from medaug.augmentation.restore import RestoreTools
from medaug.augmentation.solve import SolveTools
from medaug.augmentation.tools import Tools
from medaug.errors import RunError
from medaug.execution import execute
from medaug.execution.output import leases, quarantine
from medaug.execution.output import open as opening
from medaug.execution.output.status import status
from medaug.execution.worker import unit_of_work as real_work
from medaug.execution.worker.job import Job, OnStep
from medaug.execution.worker.unit_of_work import OUT_OF_MEMORY
from tests.support import null
from tests.support.outputs import UNIT, dead


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    return tmp_path / "staging"


def test_a_unit_that_is_held_is_not_given_away_and_is_free_afterwards(staging: Path) -> None:
    with leases.lease(staging, UNIT, "aaaaaaaa-1-b") as mine:
        assert mine
        assert mine.deaths == ()
        with leases.lease(staging, UNIT, "aaaaaaaa-1-c") as theirs:
            assert theirs is None
        assert leases.working(staging) == 1
    with leases.lease(staging, UNIT, "aaaaaaaa-1-c") as theirs:
        assert theirs
    assert {path.name for path in staging.iterdir()} <= {"clock"}


def test_dead_workers_are_counted_with_their_stage_until_the_unit_ends(staging: Path) -> None:
    dead(staging, name="1-aaaaaaaa", stage="read")
    dead(staging, name="2-aaaaaaaa", stage="write")
    dead(staging, name="3-aaaaaaaa", stage="\x00\xff")
    with suppress(KeyError), leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease
        assert lease.deaths == ("read", "write", "start")
        assert not [path for path in staging.iterdir() if path.is_dir()]
        raise KeyError  # the disk was full, or somebody interrupted: the count stays
    with leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease
        assert len(lease.deaths) == 3
    with leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease
        assert not lease.deaths


def test_another_hosts_worker_is_alive_while_its_heart_beats(staging: Path) -> None:
    marker = dead(staging, host="0" * 8)
    with leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease is None
    old = marker.stat().st_mtime - leases.STALE - 1
    os.utime(marker, (old, old))
    with leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease
        assert lease.deaths == ("solve",)


def test_the_heart_beats(staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.01)
    with leases.lease(staging, UNIT, leases.worker_name()) as lease:
        assert lease
        marker = leases._marker(lease.folder)
        os.utime(marker, (0, 0))
        for _ in range(200):
            leases.threading.Event().wait(0.01)
            if marker.stat().st_mtime:
                break
        assert marker.stat().st_mtime > 0


def test_tidying_removes_what_dead_workers_staged_and_nothing_else(staging: Path) -> None:
    marker = dead(staging)
    (staging / "orphan").mkdir()
    other = staging / f"{'b' * 16}.{leases._host()}-9-bbbbbbbb.lock"
    with other.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        other.with_suffix("").mkdir()
        leases.tidy(staging)
        assert {path.name for path in staging.iterdir()} == {marker.name, other.name, other.with_suffix("").name}


def test_names_of_workers_are_short_hide_the_host_and_differ() -> None:
    names = {leases.worker_name() for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) <= 32 and set(name) <= set("0123456789abcdef-") for name in names)


def test_a_unit_that_killed_three_workers_is_left_alone_explained_and_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    null.run(out, 1)
    poison = null.unit(2).recipe.id
    for number in range(3):
        dead(out / ".staging", poison, name=f"{number}-aaaaaaaa", stage="solve")
    summary = null.run(out, 1, 2, extend=True)
    assert summary.counts == {"written": 1, "failed": 1}
    assert summary.exit_code == 4
    (entry,) = quarantine.entries(out)
    assert (entry.unit, entry.code, entry.stage) == (poison, "worker-died", "solve")
    assert "3 workers died" in entry.message
    assert json.loads((out / "quarantine" / f"{poison[:16]}.json").read_bytes())["series_uid"] == "1.2.2"
    now = status(out)
    assert (now.quarantined, now.left, now.counts["written"]) == (1, 0, 1)
    assert null.run(out, 1, 2, extend=True).already_done == 2  # it is left alone
    assert quarantine.release(opening.attach(out), [poison[:8]]) == 1
    assert status(out).left == 1
    assert null.run(out, 1, 2, extend=True).counts == {"written": 2}
    assert not quarantine.entries(out)


def test_a_real_worker_that_dies_leaves_one_attempt(tmp_path: Path) -> None:
    out = tmp_path / "out"
    null.run(out, 1)

    def die(job: Job, _on_step: OnStep | None = None) -> Record:
        job.lease.stage("solve")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    for attempts in (1, 2):
        if not (child := os.fork()):
            null.run(out, 1, 2, extend=True, work=die)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        assert len(list((out / ".staging").glob("*.*.lock"))) == attempts
    assert null.run(out, 1, 2, extend=True).counts == {"written": 2}
    assert not list((out / ".staging").glob("*.*.lock"))


def test_too_little_memory_halves_the_batch_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def needs_little(_presented: object, tools: Tools, _on_step: object = None) -> str:
        tried.append(tools.solve.batch_size)
        if tools.solve.batch_size > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return "done"

    monkeypatch.setattr(real_work, "solve_case", needs_little)
    tools = idle_tools()
    assert real_work.solve(SimpleNamespace(tools=tools), None)[1] == 2
    assert tried == [8, 4, 2]


def test_memory_that_never_suffices_ends_in_quarantine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = []

    def hungry(_presented: object, tools: Tools, _on_step: object = None) -> None:
        tried.append(tools.solve.batch_size)
        raise MemoryError

    monkeypatch.setattr(real_work, "solve_case", hungry)
    tools = idle_tools()

    def work(_job: Job, _on_step: OnStep | None = None) -> Record:
        return real_work.solve(SimpleNamespace(tools=tools), None)[0]

    summary = null.run(tmp_path / "out", 1, 2, work=work)
    assert tried == [8, 4, 2, 1] * 2
    assert {record.code for record in summary.records} == {OUT_OF_MEMORY}
    assert len(quarantine.entries(tmp_path / "out")) == 2


@pytest.mark.parametrize("library", ["torch", "numpy", "python", "system"])
def test_a_lack_of_memory_is_known_by_what_libraries_really_raise(library: str) -> None:
    import numpy as np
    import torch

    asked = {
        "torch": lambda: torch.empty(1 << 58),
        "numpy": lambda: np.zeros(1 << 58),
        "python": lambda: bytearray(1 << 62),
        "system": lambda: _raise(OSError(errno.ENOMEM, "Cannot allocate memory")),
    }
    with pytest.raises((MemoryError, RuntimeError, OSError)) as caught:
        asked[library]()
    assert real_work.out_of_memory(caught.value)
    assert not real_work.out_of_memory(OSError(errno.ENOSPC, "no room"))
    assert not real_work.out_of_memory(KeyError("out of memory"))


def _raise(error: Exception) -> None:
    raise error


def test_too_little_memory_outside_the_solve_is_recorded_and_ends_in_quarantine(tmp_path: Path) -> None:
    def work(job: Job, _on_step: OnStep | None = None) -> Record:
        if job.unit.recipe.id == UNIT:
            raise MemoryError
        return null.work(job)

    summary = null.run(tmp_path / "out", 1, 2, work=work)
    assert summary.counts == {"written": 1, "failed": 1}
    assert [entry.code for entry in quarantine.entries(tmp_path / "out")] == [OUT_OF_MEMORY]
    assert null.run(tmp_path / "out", 1, 2).already_done == 2


def test_another_runtime_error_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_work, "solve_case", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes differ")))
    tools = idle_tools()
    with pytest.raises(RuntimeError, match="shapes differ"):
        real_work.solve(SimpleNamespace(tools=tools), None)


def test_a_run_in_which_most_units_fail_is_stopped_and_its_lists_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "ENOUGH", 4)
    with pytest.raises(RunError, match="4 of 4 units failed"):
        null.run(tmp_path / "out", *range(1, 9), work=null.refuse)
    assert (tmp_path / "out" / "monai.json").exists()
    assert len(opening.attach(tmp_path / "out").records()) == 4
    summary = null.run(tmp_path / "out", *range(1, 9), work=null.refuse, max_failures=1.0)
    assert summary.counts == {"failed": 8}


def idle_tools() -> Tools:
    """With what `solve` touches itself; nothing is presented, solved or restored."""
    nothing = dict.fromkeys(("window", "domain", "protect", "law", "grow", "crop"))
    present = PresentTools(size=256, feather=3.0, **nothing)
    return Tools(present, SolveTools(None, None, None, 0.0, batch_size=8, device="cpu"), RestoreTools(None, {}))
