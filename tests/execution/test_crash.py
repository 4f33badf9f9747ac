"""The disk dies before every step that changes it, in three ways; sabotaged stores show that the harness would see it.

The loops try some hundred deaths each, with work that takes no time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from medaug.audit.record import Record
from medaug.errors import OutputError
from medaug.execution import execute
from medaug.execution.output import leases, store
from medaug.execution.output import open as opening
from medaug.execution.output.leases import Lease
from medaug.execution.output.store import Store
from medaug.execution.worker.job import Job, OnStep
from medaug.profile.load import load_profile
from medaug.storage import atomic
from tests.support import null
from tests.support.deaths import first_fault
from tests.support.disk import Disk
from tests.support.outputs import NUMBERS, Work, continued, faults_of, settled, written
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the disk's model reads /proc/self/fd")
OTHER = load_profile("chest-xray")


@pytest.fixture(autouse=True)
def dated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the model keeps account of it; the machine's disk need not wait


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["kill", "power"])
def test_whenever_the_disk_dies_nothing_partial_is_visible_and_the_run_ends_the_same(
    tmp_path: Path, how: str, stride: int
) -> None:
    fault, tried = first_fault(tmp_path, how, stride=stride)
    assert not fault, f"step {tried}: {fault}"
    assert tried > 50


# --- sabotage: each of these stores breaks one promise


def no_flush() -> AbstractContextManager[object]:
    return mock.patch.object(store, "flush_tree")


def no_flush_of_folders() -> AbstractContextManager[object]:
    return mock.patch.object(store, "flush_folder")


def direct_writes() -> AbstractContextManager[object]:
    def publish(self: Store, staged: Path, record: Record, seconds: float) -> None:
        target = self.folder(record.unit)
        target.mkdir()
        (target / "image").mkdir()
        for path in sorted((staged / "image").iterdir()):
            (target / "image" / path.name).write_bytes(path.read_bytes())
        (target / "record.json").write_text(record.to_json() + "\n")
        store.flush_tree(target)
        atomic.flush_folder(target.parent)
        self.log(record, seconds)

    return mock.patch.multiple(Store, complete=mock.DEFAULT, publish=publish)


def line_before_rename() -> AbstractContextManager[object]:
    def publish(self: Store, staged: Path, record: Record, seconds: float) -> None:
        (staged / "record.json").write_text(record.to_json() + "\n")
        store.flush_tree(staged)
        self.log(record, seconds)
        store.rename_durably(staged, self.folder(record.unit))

    return mock.patch.multiple(Store, complete=mock.DEFAULT, publish=publish)


def no_recovery() -> AbstractContextManager[object]:
    return mock.patch.object(Store, "relog")


def mark_first() -> AbstractContextManager[object]:
    """FORMAT.json before the key it speaks of."""
    real = opening.write_secret

    def late(path: Path, secret: bytes) -> None:
        stamp = {"format": "medaug-output", "version": 2, "created": "2025-06-15T15:06:40+00:00"}
        stamp["run"] = store.keyed(secret, "run")
        atomic.replace_file(path.parent.parent / "FORMAT.json", json.dumps(stamp).encode())
        real(path, secret)

    return mock.patch.object(opening, "write_secret", late)


def order_dependent() -> Work:
    """Pixels from how many units this process did before, as a random state that is carried along would give."""
    done: list[str] = []

    def work(job: Job, on_step: OnStep | None = None) -> Record:
        done.append(job.unit.recipe.id)
        drawn = hashlib.sha256(str(len(done)).encode()).hexdigest()
        with mock.patch.object(null, "digest", return_value=drawn):
            return null.work(job, on_step)

    return work


SABOTAGE: dict[str, tuple[Callable[[], AbstractContextManager[object]], str, str]] = {
    "no flush of a unit's files": (no_flush, "power", "whole"),
    "no flush of the folder after the rename": (no_flush_of_folders, "power", "isn't there"),
    "written in place, without staging": (direct_writes, "kill", "whole"),
    "ledger line before the rename": (line_before_rename, "kill", "isn't there"),
    "no recovery of units without a line": (no_recovery, "kill", ""),
    "FORMAT.json before the rest": (mark_first, "kill", "continued"),
}


def test_the_table_in_the_documents_is_the_table_of_the_tests() -> None:
    text = (ROOT / "docs" / "how-to" / "running.md").read_text()
    _, _, table = text.partition("| sabotage | caught by |")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:] if line.startswith("|")]
    told = {row[0]: row[1] for row in rows[: len(SABOTAGE) + 1]}
    assert told == {name: how for name, (_, how, _) in SABOTAGE.items()} | {ORDER: "kill"}


ORDER = "pixels that depend on the order of units"


@pytest.mark.parametrize("what", SABOTAGE)
def test_a_sabotaged_store_is_caught(tmp_path: Path, what: str) -> None:
    sabotage, how, word = SABOTAGE[what]
    with sabotage():
        early = sabotage in (mark_first, direct_writes)  # the others need a unit that is done, and there are two
        # what isn't flushed shows ever after
        fault, _ = first_fault(tmp_path, how, stride=3 if how == "power" else 1, first=1 if early else 30)
    assert fault
    assert word in fault


def test_pixels_that_depend_on_the_order_are_caught(tmp_path: Path) -> None:
    fault, _ = first_fault(tmp_path, "kill", order_dependent, first=30)
    assert fault.endswith(("index.html", "record.json"))


@pytest.mark.slow
def test_a_plain_kill_does_not_see_that_nothing_is_flushed(tmp_path: Path) -> None:
    """Why the model of a power loss is needed at all."""
    with no_flush(), no_flush_of_folders():
        assert first_fault(tmp_path, "kill")[0] == ""


# --- the real thing


def test_a_real_sigkill_at_every_fourth_step(tmp_path: Path) -> None:
    """In a forked process, so that locks, threads and files end as the system ends them."""
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", key)
    status, step = 9, 1
    while os.WIFSIGNALED(status):
        output = tmp_path / f"out{step}"
        child = os.fork()
        if not child:
            disk = Disk(step)
            disk.die = partial(os.kill, os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
            with disk.watched():
                null.run(output, *NUMBERS, key=key)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert not faults_of(output), step
        assert not continued(output, key, expected), step
        step += 4
    assert step > 50


def on_a_bad_disk(output: Path, key: Path, step: int, number: int) -> str | None:
    """What the run says when every step from ``step`` on fails with an errno; None when it didn't need that many."""
    try:
        with Disk(step, fails=number).watched():
            null.run(output, *NUMBERS, key=key)
    except OutputError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("number", "stride"),
    [
        *((errno.ENOSPC, 7), (errno.EROFS, 11), (errno.EIO, 9)),
        *(
            pytest.param(number, stride, marks=pytest.mark.slow)
            for number, stride in ((errno.ENOSPC, 1), (errno.EROFS, 3), (errno.EIO, 3))
        ),
    ],
)
def test_a_disk_that_is_full_read_only_or_broken_stops_the_run_at_any_step_and_it_continues(
    tmp_path: Path, number: int, stride: int
) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", key)
    step = 1 - stride
    while True:
        step += stride
        output = tmp_path / f"out{step}"
        said = on_a_bad_disk(output, key, step, number)
        if said is None:
            break
        assert os.strerror(number) in said, step
        assert str(tmp_path) not in said
        assert not faults_of(output), step
        assert not continued(output, key, expected), step
    assert step > 50


def test_a_clock_that_goes_backwards_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", key)
    (tmp_path / "out").mkdir()
    null.run(tmp_path / "out", 1, key=key)
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (4e9, 4e9))
    dead = tmp_path / "out" / ".staging" / f"{null.unit(2).recipe.id[:16]}.{leases._host()}-1-aaaaaaaa.lock"
    dead.write_text("solve")
    os.utime(dead, (4e9, 4e9))
    monkeypatch.setattr("time.time", lambda: 0.0)
    null.run(tmp_path / "out", *NUMBERS, key=key, extend=True)
    assert null.files(tmp_path / "out") == expected


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a file system needs root on Linux")
def test_a_really_full_file_system_stops_the_run_and_it_continues_when_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=640k", "medaug", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine doesn't let a file system be mounted")
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    monkeypatch.setattr(execute, "_check_space", lambda *_: None)  # it would say so beforehand
    try:
        with pytest.raises(OutputError, match=r"No space left.*same command again"):
            null.run(small / "out", *range(1, 200), key=key)
        assert not faults_of(small / "out")
        done = len(written(small / "out"))
        assert 0 < done < 199
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        assert null.run(small / "out", *range(1, 200), key=key).already_done >= done
        null.run(tmp_path / "whole", *range(1, 200), key=key)
        assert null.files(small / "out") == null.files(tmp_path / "whole")
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        with pytest.raises(OutputError, match="Read-only"):
            null.run(small / "out", *range(1, 201), key=key, extend=True)
    finally:
        subprocess.run(["umount", small], check=True)


def unleased(staging: Path, unit: str, worker: str) -> AbstractContextManager[Lease]:
    """Everybody may have everything."""
    return nullcontext(Lease(staging / f"{unit[:16]}.{worker}", ()))


def test_four_workers_race_without_leases_and_every_unit_is_committed_once(tmp_path: Path) -> None:
    """Leases save work; what decides is the rename. So all four do every unit, in the same order at the same time."""
    out, key = tmp_path / "out", tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    null.run(out, 1, key=key)
    ready, go = os.pipe()
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            os.close(go)
            os.read(ready, 1)  # until the parent lets go
            with mock.patch.object(leases, "lease", unleased):
                null.run(out, *range(1, 30), key=key, extend=True)
            os._exit(0)
        children.append(child)
    os.close(go)
    os.close(ready)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert sorted(record.unit for record in written(out)) == sorted(null.unit(n).recipe.id for n in range(1, 30))
    assert not faults_of(out)
    null.run(tmp_path / "whole", *range(1, 30), key=key)
    assert null.files(out) == null.files(tmp_path / "whole")


def test_another_run_on_the_same_output_is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    refused = []

    def work(job: Job, on_step: OnStep | None = None) -> Record:
        if not refused:
            with pytest.raises(OutputError, match="another set of inputs"):
                null.run(tmp_path / "out", 7, 8, 9)
            with pytest.raises(OutputError, match="another profile"):
                execute.execute(null.plan(1, 2, profile=OTHER), tmp_path / "out", work=null.work)
            refused.append(job.unit)
        return null.work(job, on_step)

    assert null.run(tmp_path / "out", 1, 2, 3, work=work).counts == {"written": 3}
    assert refused
    assert len(written(tmp_path / "out")) == 3
