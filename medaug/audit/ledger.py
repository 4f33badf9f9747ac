"""The ledger: one line per unit of work, append-only, each line bound to the one before it.

A line is ``{"prev": …, "record": {…}}`` in canonical JSON, where ``prev`` is the sha256 of the line before it,
without its line break, and 64 zeros on the first. A line without a line break is the trace of a crash: readers leave
it out, the next `append` cuts it off, and its unit, whose files may be complete, is logged again by the run. The chain
shows an edit to anyone who keeps the last digest; it doesn't stop someone who rewrites the whole file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medaug.audit.canonical import canonical, parse
from medaug.audit.durable import flush_folder, unusable
from medaug.audit.record import Record, from_data, to_data
from medaug.errors import OutputError

if sys.platform != "win32":
    import fcntl

START = "0" * 64
BLOCK = 1 << 16


def append(path: Path, record: Record) -> None:
    """Add one line and flush it to disk; it is there whole, or the ledger is as it was.

    Writers on one machine wait for each other; ``path`` is made with its folder when missing.

    Raises:
        OutputError: the disk is full, read-only or failing.
    """
    size = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as descriptor:
            end, last = _last_line(descriptor)
            os.ftruncate(descriptor, end)
            line = canonical({"prev": _digest(last), "record": to_data(record)}) + b"\n"
            size = len(line)
            try:
                _write(descriptor, line)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        if not end:
            flush_folder(path.parent)
    except OSError as error:
        raise unusable(path.name, error, needed=size) from None


def read(path: Path) -> tuple[Record, ...]:
    """All complete lines, oldest first; nothing when there is no ledger yet. A torn last line is left out.

    Raises:
        OutputError: a complete line is not a ledger line, which no crash can cause.
    """
    try:
        return tuple(_parse(line)[1] for line in _lines(path)[0])
    except ValueError as error:
        raise OutputError(
            f"ledger: {error}; a complete line was edited or damaged. Restore the ledger from a copy, "
            "or write to a new OUTPUT"
        ) from None


def verify_chain(path: Path) -> list[str]:
    """Everything that is wrong with a ledger, one sentence each; empty when it is sound."""
    lines, torn = _lines(path)
    problems, previous, written = [], START, set()
    for number, line in enumerate(lines, 1):
        try:
            prev, record = _parse(line)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
        else:
            if prev != previous:
                problems.append(f"line {number}: the chain is broken: the line before it was changed, removed or added")
            if canonical({"prev": prev, "record": to_data(record)}) != line:
                problems.append(f"line {number}: not in canonical spelling")
            if record.status == "written" and record.unit in written:
                problems.append(f"line {number}: unit {record.unit[:16]} was already written")
            written |= {record.unit} if record.status == "written" else set()
        previous = _digest(line)
    if torn:
        problems.append(f"after line {len(lines)}: {torn} bytes of an unfinished line; the next append cuts them off")
    return problems


def _lines(path: Path) -> tuple[list[bytes], int]:
    """The complete lines without their breaks, and the size of a torn rest."""
    if not path.exists():
        return [], 0
    *lines, rest = path.read_bytes().split(b"\n")
    return lines, len(rest)


def _parse(line: bytes) -> tuple[str, Record]:
    data = parse(line)
    if not isinstance(data, dict) or set(data) != {"prev", "record"}:
        raise ValueError('expected an object of "prev" and "record"')
    return str(data["prev"]), from_data(data["record"])


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else START


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


def _write(descriptor: int, line: bytes) -> None:
    written = os.write(descriptor, line)
    if written != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what the rest of a short write would say
    os.fsync(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open for reading and appending, alone among processes that ask for it (flock(2))."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
