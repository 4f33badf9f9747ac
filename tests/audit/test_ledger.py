from __future__ import annotations

import errno
import hashlib
import json
import os
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from medaug.audit import ledger
from medaug.errors import OutputError
from tests.audit.example import failed, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.jsonl"


@pytest.fixture
def three(path: Path) -> Path:
    for built in (record("a"), failed("b"), record("c")):
        ledger.append(path, built)
    return path


def test_lines_read_back_in_order(three: Path) -> None:
    assert ledger.read(three) == (record("a"), failed("b"), record("c"))
    assert ledger.verify_chain(three) == []


def test_no_ledger_is_an_empty_one(path: Path) -> None:
    assert ledger.read(path) == ()
    assert ledger.verify_chain(path) == []


def test_each_line_holds_the_digest_of_the_one_before(three: Path) -> None:
    lines = three.read_bytes().splitlines()
    expected = ["0" * 64, *(hashlib.sha256(line).hexdigest() for line in lines[:-1])]
    assert [json.loads(line)["prev"] for line in lines] == expected


def test_a_long_line_is_found_again(path: Path) -> None:
    long = record("long", recipe={"text": "x" * 3 * ledger.BLOCK})
    for built in (record("a"), long, record("b"), long):
        ledger.append(path, built)
    assert ledger.read(path)[1] == long
    assert len(ledger.verify_chain(path)) == 1  # the unit was written twice, and nothing else is wrong


@pytest.mark.parametrize("keep", [1, 10, -1])
def test_a_torn_last_line_is_left_out_and_then_cut(three: Path, keep: int) -> None:
    whole = three.read_bytes()
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    three.write_bytes(whole[:second] + whole[second:][:keep])
    assert ledger.read(three) == (record("a"), failed("b"))
    assert "unfinished line" in ledger.verify_chain(three)[0]
    ledger.append(three, record("c"))
    assert three.read_bytes() == whole


def test_a_ledger_that_holds_a_torn_line_only_starts_again(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'{"prev":"00')
    ledger.append(path, record("a"))
    assert ledger.read(path) == (record("a"),)
    assert ledger.verify_chain(path) == []


def test_zeros_after_a_power_loss_are_a_torn_line(three: Path) -> None:
    whole = three.read_bytes()
    three.write_bytes(whole + b"\0" * 100)
    ledger.append(three, record("d"))
    assert ledger.read(three)[-1] == record("d")
    assert ledger.verify_chain(three) == []


def _edit(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b'"variant":0', b'"variant":1'), *lines[1:]]


def _swap(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], lines[2]]


def _drop_first(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def _drop_middle(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2]]


def _respell(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], json.dumps(json.loads(lines[2])).encode()]


@pytest.mark.parametrize("attack", [_edit, _swap, _drop_first, _drop_middle, _respell])
def test_an_edit_is_noticed(three: Path, attack: Any) -> None:
    lines = attack(three.read_bytes().splitlines())
    three.write_bytes(b"".join(line + b"\n" for line in lines))
    assert ledger.verify_chain(three)


def test_damage_in_the_middle_is_an_error_not_an_empty_answer(three: Path) -> None:
    lines = three.read_bytes().splitlines()
    three.write_bytes(b"\n".join([lines[0], b"{}", lines[2], b""]))
    with pytest.raises(OutputError, match="complete line was edited or damaged"):
        ledger.read(three)
    assert any("line 2" in problem for problem in ledger.verify_chain(three))


def test_a_unit_is_written_once_but_may_fail_before(path: Path) -> None:
    ledger.append(path, failed("a"))
    ledger.append(path, record("a"))
    assert ledger.verify_chain(path) == []
    ledger.append(path, record("a"))
    assert "already written" in ledger.verify_chain(path)[0]


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk_leaves_the_ledger_as_it_was(three: Path, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    before, write = three.read_bytes(), os.write

    def full(descriptor: int, data: bytes) -> int:
        if short:
            return write(descriptor, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"ledger.jsonl \(\d{3,} bytes\) failed"):
        ledger.append(three, record("d"))
    assert three.read_bytes() == before


def test_a_line_is_flushed_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power loss cuts a file back to its last flush; without fsync this ends empty."""
    flushed: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append(os.fstat(descriptor).st_size if os.lseek(descriptor, 0, os.SEEK_CUR) else -1)

    monkeypatch.setattr(os, "fsync", noted)
    ledger.append(path, record("a"))
    assert path.stat().st_size in flushed


def test_a_record_json_cannot_carry_changes_nothing(three: Path) -> None:
    before = three.read_bytes()
    with pytest.raises(ValueError, match="finite"):
        ledger.append(three, record("d", seconds=float("nan")))
    assert three.read_bytes() == before


def _append_many(path: Path, name: str) -> None:
    for n in range(20):
        ledger.append(path, record(f"{name}{n}"))


def test_two_writers_wait_for_each_other(path: Path) -> None:
    context = get_context("spawn")
    workers = [context.Process(target=_append_many, args=(path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(ledger.read(path)) == 40
    assert ledger.verify_chain(path) == []
