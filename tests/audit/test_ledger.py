from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from medaug.audit import ledger, segments
from medaug.audit.record import Record
from medaug.errors import OutputError
from tests.support.records import failed, record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def three(folder: Path) -> Path:
    for built in (record("a"), failed("b"), record("c")):
        ledger.append(folder, "w1", built, 12.5)
    return folder / "w1.jsonl"


def ordered(*records: Record) -> tuple[Record, ...]:
    return tuple(sorted(records, key=lambda found: found.unit))


def recorded(path: Path) -> list[Record]:
    return [line.record for line in ledger.lines(path)]


def test_lines_read_back_in_order(three: Path) -> None:
    assert recorded(three) == [record("a"), failed("b"), record("c")]
    assert [line.seconds for line in ledger.lines(three)] == [12.5] * 3
    assert ledger.read(three.parent) == ordered(record("a"), failed("b"), record("c"))
    assert ledger.verify_chain(three.parent) == []


def test_no_ledger_is_an_empty_one(folder: Path) -> None:
    assert ledger.read(folder) == ()
    assert ledger.verify_chain(folder) == []


def test_each_line_holds_the_digest_of_the_one_before(three: Path) -> None:
    lines = three.read_bytes().splitlines()
    expected = ["0" * 64, *(hashlib.sha256(line).hexdigest() for line in lines[:-1])]
    assert [json.loads(line)["prev"] for line in lines] == expected
    assert segments.head(three) == segments.LedgerSegment("w1.jsonl", 3, hashlib.sha256(lines[-1]).hexdigest())


def test_a_line_says_when_it_was_logged(three: Path) -> None:
    times = [datetime.fromisoformat(line.logged) for line in ledger.lines(three)]
    assert times == sorted(times)
    assert times[0].tzinfo is not None
    assert abs(datetime.now(UTC) - times[0]) < timedelta(minutes=1)


def test_every_writer_has_a_segment_of_its_own(three: Path) -> None:
    before = three.read_bytes()
    ledger.append(three.parent, "w2", record("d"), 1.0)
    assert three.read_bytes() == before
    second = three.with_name("w2.jsonl").read_bytes()
    assert json.loads(second)["prev"] == "0" * 64
    assert ledger.read(three.parent) == ordered(record("a"), failed("b"), record("c"), record("d"))
    assert ledger.verify_chain(three.parent) == []


@pytest.mark.parametrize("name", ["", "A", "a.b", "../a", "a" * 33, "ä"])
def test_a_writers_name_is_plain(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="expected a writer"):
        ledger.append(folder, name, record("a"), 1.0)
    assert not folder.exists()


@pytest.mark.parametrize("writers", [("w1", "w2"), ("w2", "w1"), ("w1", "w1")])
@pytest.mark.parametrize(("status", "less"), [("written", "rejected"), ("rejected", "failed"), ("failed", "crashed")])
def test_the_best_that_became_of_a_unit_decides(folder: Path, writers: tuple[str, str], status: str, less: str) -> None:
    best = record("a") if status == "written" else failed("a", status=status)
    ledger.append(folder, writers[0], best, 1.0)
    ledger.append(folder, writers[1], failed("a", status=less), 1.0)
    assert ledger.read(folder) == (best,)


def test_among_equals_the_line_logged_last_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for writer, when, message in (("a", "2026-01-01T00:00:02", "late"), ("b", "2026-01-01T00:00:01", "early")):
        monkeypatch.setattr(ledger, "_now", lambda when=when: when)
        ledger.append(folder, writer, failed("a", message=message), 1.0)
    assert [found.message for found in ledger.read(folder)] == ["late"]
    ledger.append(folder, "c", failed("a", message="as late"), 1.0)
    monkeypatch.setattr(ledger, "_now", lambda: "2026-01-01T00:00:02")
    ledger.append(folder, "c", failed("a", message="a later segment"), 1.0)
    ledger.append(folder, "c", failed("a", message="a later line"), 1.0)
    assert [found.message for found in ledger.read(folder)] == ["a later line"]


def test_a_long_line_is_found_again(folder: Path) -> None:
    long = record("long", recipe={"text": "x" * 3 * segments.BLOCK})
    for built in (record("a"), long, record("b"), long):
        ledger.append(folder, "w", built, 1.0)
    assert recorded(folder / "w.jsonl")[1] == long
    assert ledger.verify_chain(folder) == []


@pytest.mark.parametrize("keep", [1, 10, -1])
def test_a_torn_last_line_is_left_out_and_then_cut(three: Path, keep: int) -> None:
    whole = three.read_bytes()
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    three.write_bytes(whole[:second] + whole[second:][:keep])
    assert recorded(three) == [record("a"), failed("b")]
    assert segments.head(three).lines == 2
    assert "unfinished line" in ledger.verify_chain(three.parent)[0]
    ledger.append(three.parent, "w1", record("c"), 12.5)
    assert three.read_bytes()[:second] == whole[:second]
    assert recorded(three) == [record("a"), failed("b"), record("c")]
    assert ledger.verify_chain(three.parent) == []


def test_a_segment_that_holds_a_torn_line_only_starts_again(folder: Path) -> None:
    folder.mkdir()
    (folder / "w.jsonl").write_bytes(b'{"prev":"00')
    ledger.append(folder, "w", record("a"), 1.0)
    assert ledger.read(folder) == (record("a"),)
    assert ledger.verify_chain(folder) == []


def test_zeros_after_a_power_loss_are_a_torn_line(three: Path) -> None:
    three.write_bytes(three.read_bytes() + b"\0" * 100)
    ledger.append(three.parent, "w1", record("d"), 1.0)
    assert recorded(three)[-1] == record("d")
    assert ledger.verify_chain(three.parent) == []


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
def test_an_edit_is_noticed(three: Path, attack: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = attack(three.read_bytes().splitlines())
    three.write_bytes(b"".join(line + b"\n" for line in lines))
    assert ledger.verify_chain(three.parent)


def test_a_file_that_is_no_segment_is_named(three: Path) -> None:
    three.with_name("Notes.jsonl").write_text("")
    assert ledger.verify_chain(three.parent) == ["Notes.jsonl: not a segment"]


def test_damage_in_the_middle_is_an_error_not_an_empty_answer(three: Path) -> None:
    lines = three.read_bytes().splitlines()
    three.write_bytes(b"\n".join([lines[0], b"{}", lines[2], b""]))
    with pytest.raises(OutputError, match=r"segment w1: line 2: .*complete line was edited or damaged"):
        ledger.read(three.parent)
    assert any("line 2" in problem for problem in ledger.verify_chain(three.parent))


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk_leaves_the_ledger_as_it_was(three: Path, monkeypatch: pytest.MonkeyPatch, short: bool) -> None:
    before, write = three.read_bytes(), os.write

    def full(descriptor: int, data: bytes) -> int:
        if short:
            return write(descriptor, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"w1.jsonl \(\d{3,} bytes\) failed"):
        ledger.append(three.parent, "w1", record("d"), 1.0)
    assert three.read_bytes() == before


def test_a_line_is_flushed_before_append_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power loss cuts a file back to its last flush; without fsync this ends empty."""
    flushed: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append(os.fstat(descriptor).st_size if os.lseek(descriptor, 0, os.SEEK_CUR) else -1)

    monkeypatch.setattr(os, "fsync", noted)
    ledger.append(folder, "w", record("a"), 1.0)
    assert (folder / "w.jsonl").stat().st_size in flushed


def test_a_figure_json_cannot_carry_changes_nothing(three: Path) -> None:
    before = three.read_bytes()
    with pytest.raises(ValueError, match="finite"):
        ledger.append(three.parent, "w1", record("d"), float("nan"))
    assert three.read_bytes() == before


def _append_many(folder: Path, name: str) -> None:
    for n in range(20):
        ledger.append(folder, "shared", record(f"{name}{n}"), 1.0)


def test_two_processes_of_one_writer_wait_for_each_other(folder: Path) -> None:
    context = get_context("spawn")
    workers = [context.Process(target=_append_many, args=(folder, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(ledger.read(folder)) == 40
    assert ledger.verify_chain(folder) == []


def test_mending_cuts_off_what_a_dead_writer_left(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    ledger.append(folder, "a", record("x"), 1.0)
    sound = (folder / "a.jsonl").read_bytes()
    (folder / "a.jsonl").write_bytes(sound + b'{"torn')
    assert ledger.verify_chain(folder)
    segments.mend(folder)
    assert (folder / "a.jsonl").read_bytes() == sound


def test_outcomes_are_those_of_the_decisive_records(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    ledger.append(folder, "a", failed("x", unit=record("x").unit), 1.0)
    ledger.append(folder, "b", record("x"), 1.0)
    ledger.append(folder, "b", failed("y", unit=record("y").unit), 1.0)
    ledger.append(folder, "c", failed("x", unit=record("x").unit), 1.0)
    with (folder / "c.jsonl").open("ab") as file:
        file.write(b'{"torn')
    few = ledger.shelved(folder, {record("y").unit, "none"})
    assert tuple(few) == tuple(r for r in ledger.read(folder) if r.unit == record("y").unit) != ()
    ended = dict(ledger.outcomes(folder).items())
    assert ended == {r.unit: r.status for r in ledger.read(folder)}
    assert ended == {record("x").unit: "written", record("y").unit: "failed"}
    with (folder / "c.jsonl").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(OutputError, match="segment c: line 2"):
        ledger.outcomes(folder)
    for line in (b'{"record": 1}', b'{"record": {"unit": [1]}}', b"{}", b"[]", b"1"):
        (folder / "c.jsonl").write_bytes(line + b"\n")
        for units in (None, {"['1']", "[1]"}):
            with pytest.raises(OutputError, match="segment c: line 1"):
                ledger.shelved(folder, units)
