"""The ledger: a folder of segments, one per writer; in each one line per unit of work, bound to the line before it.

A line is ``{"logged": …, "prev": …, "record": {…}, "seconds": …}`` in canonical JSON, where ``prev`` is the sha256 of
the line before it, without its line break, and 64 zeros on the first of a segment. No writer touches another's segment,
so that any number of machines may write at once. A line without a line break is the trace of a crash: readers leave it
out, the writer's next `append` cuts it off, and its unit, whose files may be complete, is logged again by the run. The
chain shows an edit to anyone who keeps the last digests (the seal does); alone it doesn't stop someone who rewrites a
whole segment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medaug.audit.record import Record, Status, to_data
from medaug.errors import OutputError
from medaug.storage import locks
from medaug.storage.atomic import flush_folder, unusable, write_flushed
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.disk_map import DiskMap
from medaug.storage.json_dataclass import decode
from medaug.storage.plain_files import is_plain, lines_of

SUFFIX = ".jsonl"
START = "0" * 64
BLOCK = 1 << 16
_NO_LINK = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
MAX_LINE = 64 << 20  # bytes; a series of 5,000 slices takes about 2 MB
WRITER = re.compile(r"[a-z0-9-]{1,32}")
RANK: Mapping[Status, int] = {"written": 3, "rejected": 2, "failed": 1, "crashed": 0}


@dataclass(frozen=True)
class Line:
    """One line of a segment.

    Attributes:
        prev: digest of the line before it.
        record: what became of a unit.
        seconds: wall time of the unit; here and not in the record, which is the same whenever it is made.
        logged: when the line was written, ISO 8601, UTC, by the writer's clock.
    """

    prev: str
    record: Record
    seconds: float
    logged: str


@dataclass(frozen=True, eq=False)
class Records(Collection[Record]):
    """Decisive records on disk, in the order of the unit keys; one at a time is in memory.

    Attributes:
        ranked: unit → what it decided by, and the record.
    """

    ranked: DiskMap[tuple[tuple[int, str], Record]]

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Record]:
        return (record for _, record in self.ranked.values())

    def __contains__(self, unit: object) -> bool:
        """Whether there is a record of the unit with this key."""
        return unit in self.ranked

    def get(self, unit: str) -> Record | None:
        """The record of the unit with this key."""
        found = self.ranked.get(unit)
        return None if found is None else found[1]

    @property
    def units(self) -> Iterator[str]:
        """Their keys, in order."""
        return iter(self.ranked)


@dataclass(frozen=True)
class LedgerSegment:
    """What a seal holds of a segment: its file name, its complete lines and the digest of the last of them."""

    name: str
    lines: int
    head: str


def append(folder: Path, writer: str, record: Record, seconds: float) -> None:
    """Add one line to the writer's segment and flush it to disk; it is there whole, or the segment is as it was.

    Processes of one machine that share a writer's name wait for each other. The folder is made when missing.

    Args:
        folder: OUTPUT/ledger.
        writer: 1 to 32 of a-z, 0-9 and "-".
        record: what became of a unit.
        seconds: wall time it took.

    Raises:
        OutputError: the disk is full, read-only or failing.
        ValueError: the writer's name, or what JSON can't carry.
    """
    if not WRITER.fullmatch(writer):
        raise ValueError('ledger: expected a writer of 1 to 32 characters of a-z, 0-9 and "-"')
    path = folder / f"{writer}{SUFFIX}"
    size = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as descriptor:
            end, last = _last_line(descriptor)
            os.ftruncate(descriptor, end)
            line = spell(Line(_digest(last), record, seconds, _now())) + b"\n"
            size = len(line)
            try:
                write_flushed(descriptor, line)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        if not end:
            flush_folder(path.parent)
    except OSError as error:
        raise unusable(path.name, error, needed=size) from None


def read(folder: Path) -> tuple[Record, ...]:
    """The decisive record of every unit as `shelved`, in memory: for a few units."""
    return tuple(shelved(folder))


def shelved(folder: Path, units: Container[str] | None = None) -> Records:
    """The decisive record of every unit, or of these, on disk; none when there is no ledger yet.

    ``written`` decides over ``rejected``, that over ``failed``, that over ``crashed``; among equals the line logged
    last, then the greater segment name, then the later line. Torn last lines are left out.

    Raises:
        OutputError: a complete line is not a ledger line, which no crash can cause.
    """
    found: DiskMap[tuple[tuple[int, str], Record]] = DiskMap()
    for path in segments(folder):
        try:
            for line in lines(path, units):
                rank = (RANK[line.record.status], line.logged)
                known = found.get(line.record.unit)
                if known is None or rank >= known[0]:
                    found[line.record.unit] = (rank, line.record)
        except ValueError as error:
            raise OutputError(
                f"ledger: segment {path.stem}: {error}; a complete line was edited or damaged. Restore the ledger from "
                "a copy, or write to a new OUTPUT"
            ) from None
        except OSError as error:
            raise _unreadable(path, error) from None
    return Records(found)


def outcomes(folder: Path) -> DiskMap[Status]:
    """Unit → status of its decisive record, as in `shelved`, without building records: fast and small.

    Raises:
        OutputError: a complete line is not a ledger line, which no crash can cause.
    """
    found: DiskMap[Status] = DiskMap()
    for path in segments(folder):
        for number, text in enumerate(_readable(path), 1):
            if not text.endswith(b"\n"):
                continue
            try:
                record = json.loads(text)["record"]
                unit, status = str(record["unit"]), record["status"]
                known = found.get(unit)
                if known is None or RANK[status] > RANK[known]:
                    found[unit] = status
            except (ValueError, KeyError, TypeError):
                raise OutputError(
                    f"ledger: segment {path.stem}: line {number} was edited or damaged. Restore the ledger from a "
                    "copy, or write to a new OUTPUT"
                ) from None
    return found


def _unreadable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"ledger: segment {path.stem} can't be read ({error.strerror}); restore it from a copy")


def mend(folder: Path) -> None:
    """Cut off the torn last lines that dead writers left; whoever is writing now is waited for.

    Raises:
        OSError: a segment can't be written.
    """
    for path in segments(folder):
        with _locked(path) as descriptor:
            end, _ = _last_line(descriptor)
            if os.fstat(descriptor).st_size > end:
                os.ftruncate(descriptor, end)


def verify_chain(folder: Path) -> list[str]:
    """Everything that is wrong with a ledger by itself, one sentence each; empty when it is sound."""
    if folder.is_symlink():
        return ["the folder is a link: a ledger lies in its OUTPUT itself"]
    try:
        problems = [f"{name}: not a segment" for name in strangers(folder)]
        paths = segments(folder)
    except OSError as error:
        return [f"the folder can't be listed ({error.strerror})"]
    for path in paths:
        problems += [f"segment {path.stem}: {problem}" for problem in _chain_problems(path)]
    return problems


def segments(folder: Path) -> tuple[Path, ...]:
    """The segments, by name; empty where there is no folder."""
    return tuple(sorted(path for path in (folder.iterdir() if folder.is_dir() else ()) if _is_segment(path)))


def strangers(folder: Path) -> tuple[str, ...]:
    """Names in the folder that are no segment's."""
    found = folder.iterdir() if folder.is_dir() else iter(())
    return tuple(sorted(path.name for path in found if not _is_segment(path)))


def lines(path: Path, units: Container[str] | None = None) -> Iterator[Line]:
    """The complete lines of a segment, or those of some units, oldest first, one at a time.

    The others' records aren't built, which takes most of the time.

    Raises:
        ValueError: names the line by its number.
    """
    for number, text in enumerate(_texts(path), 1):
        if text.endswith(b"\n"):
            try:
                if units is None or _unit(parse(text[:-1])) in units:
                    yield decode(Line, text[:-1], "line")
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _unit(line: Any) -> str:
    try:
        return str(line["record"]["unit"])
    except (KeyError, TypeError):
        raise ValueError("expected the record of a unit") from None


def head(path: Path) -> LedgerSegment:
    """A segment's name, number of complete lines and the digest of the last of them; reads the whole of it."""
    count, last = 0, b""
    for text in _texts(path):
        if text.endswith(b"\n"):
            count, last = count + 1, text[:-1]
    return LedgerSegment(path.name, count, _digest(last))


def spell(line: Line) -> bytes:
    """A line's one spelling, without its line break.

    Raises:
        ValueError: a figure isn't finite, or the recipe holds what JSON can't.
    """
    data = {"prev": line.prev, "record": to_data(line.record), "seconds": line.seconds, "logged": line.logged}
    return canonical(data)


def _chain_problems(path: Path) -> Iterator[str]:
    try:
        yield from _broken(path)
    except OSError as error:
        yield f"it can't be read ({error.strerror})"


def _broken(path: Path) -> Iterator[str]:
    previous = START
    for number, text in enumerate(_texts(path), 1):
        if not text.endswith(b"\n"):
            torn = f"{len(text)} bytes of an unfinished line"
            yield f"after line {number - 1}: {torn}; the writer's next line cuts them off"
            return
        complete = text[:-1]
        try:
            line: Line = decode(Line, complete, "line")
        except ValueError as error:
            yield f"line {number}: {error}"
        else:
            if line.prev != previous:
                yield f"line {number}: the chain is broken: the line before it was changed, removed or added"
            if spell(line) != complete:
                yield f"line {number}: not in canonical spelling"
        previous = _digest(complete)


def _is_segment(path: Path) -> bool:
    return path.suffix == SUFFIX and WRITER.fullmatch(path.stem) is not None and is_plain(path, follow=False)


def _texts(path: Path) -> Iterator[bytes]:
    """The lines as they are, each with its break; a last one without it is torn."""
    return lines_of(path, MAX_LINE, follow=False)


def _readable(path: Path) -> Iterator[bytes]:
    try:
        yield from _texts(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else START


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _last_line(descriptor: int) -> tuple[int, bytes]:
    """Where complete lines end, and the last of them without its break; read from the end, as ledgers grow long."""
    at = os.lseek(descriptor, 0, os.SEEK_END)
    tail = b""
    while at and tail.count(b"\n") < 2:
        step = min(BLOCK, at)
        at = os.lseek(descriptor, at - step, os.SEEK_SET)
        tail = os.read(descriptor, step) + tail
    complete, found, _ = tail.rpartition(b"\n")
    return at + len(complete) + len(found), complete.rpartition(b"\n")[2]


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open for reading and appending, alone among processes that ask for it (flock(2))."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINK, 0o644)
    try:
        locks.take(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)
