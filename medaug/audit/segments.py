"""Segments: chained lines of canonical JSON in one folder, each file written by one writer; what lines say is others'.

A line names in ``prev`` the sha256 of the line before it, without its line break, and 64 zeros on the first of a
segment. No writer touches another's segment, so that any number of machines may write at once. A line without a line
break is the trace of a crash: readers leave it out, and the writer's next `append` cuts it off.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from medaug.errors import OutputError
from medaug.storage import locks
from medaug.storage.atomic import flush_folder, unusable, write_flushed
from medaug.storage.plain_files import is_plain, lines_of

SUFFIX = ".jsonl"
START = "0" * 64
BLOCK = 1 << 16
_NO_LINK = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
MAX_LINE = 64 << 20  # bytes; a series of 5,000 slices takes about 2 MB
WRITER = re.compile(r"[a-z0-9-]{1,32}")


class Chained(Protocol):
    """A line of any kind."""

    @property
    def prev(self) -> str:
        """Digest of the line before it."""


@dataclass(frozen=True)
class LedgerSegment:
    """What a seal holds of a segment: its file name, its complete lines and the digest of the last of them."""

    name: str
    lines: int
    head: str


@dataclass(frozen=True)
class LineKind:
    """What the lines of a segment are.

    Attributes:
        read: a complete line without its break; raises ValueError.
        spell: the one spelling of what was read.
    """

    read: Callable[[bytes], Chained]
    spell: Callable[..., bytes]


def append(folder: Path, writer: str, *spelled: Callable[[str], bytes]) -> None:
    """Add lines to the writer's segment and flush them to disk; they are there whole, or the segment is as it was.

    Processes of one machine that share a writer's name wait for each other. The folder is made when missing.

    Args:
        folder: OUTPUT/ledger.
        writer: 1 to 32 of a-z, 0-9 and "-".
        spelled: each line without its break, given the digest of the one before it.

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
            lines = _chained(last, spelled)
            size = len(lines)
            try:
                write_flushed(descriptor, lines)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        if not end:
            flush_folder(path.parent)
    except OSError as error:
        raise unusable(path.name, error, needed=size) from None


def mend(folder: Path) -> None:
    """Cut off the torn last lines that dead writers left; whoever is writing now is waited for.

    Raises:
        OSError: a segment can't be written.
    """
    for path in all_segments(folder):
        with _locked(path) as descriptor:
            end, _ = _last_line(descriptor)
            if os.fstat(descriptor).st_size > end:
                os.ftruncate(descriptor, end)


def all_segments(folder: Path) -> tuple[Path, ...]:
    """The segments, by name; empty where there is no folder."""
    return tuple(sorted(path for path in (folder.iterdir() if folder.is_dir() else ()) if is_segment(path)))


def strangers(folder: Path) -> tuple[str, ...]:
    """Names in the folder that are no segment's."""
    found = folder.iterdir() if folder.is_dir() else iter(())
    return tuple(sorted(path.name for path in found if not is_segment(path)))


def is_segment(path: Path) -> bool:
    """Whether a file is named, and is, as a writer's is."""
    return path.suffix == SUFFIX and WRITER.fullmatch(path.stem) is not None and is_plain(path, follow=False)


def head(path: Path) -> LedgerSegment:
    """A segment's name, number of complete lines and the digest of the last of them; reads the whole of it."""
    count, last = 0, b""
    for text in texts(path):
        if text.endswith(b"\n"):
            count, last = count + 1, text[:-1]
    return LedgerSegment(path.name, count, digest(last))


def texts(path: Path) -> Iterator[bytes]:
    """The lines as they are, each with its break; a last one without it is torn."""
    return lines_of(path, MAX_LINE, follow=False)


def readable(path: Path) -> Iterator[bytes]:
    """`texts` of a segment that has to be there.

    Raises:
        OutputError: it can't be read.
    """
    try:
        yield from texts(path)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> OutputError:
    """What a segment that can't be read means."""
    return OutputError(f"ledger: segment {path.stem} can't be read ({error.strerror}); restore it from a copy")


def edited(path: Path, what: str) -> OutputError:
    """What a complete line that isn't one means: no crash can cause it."""
    return OutputError(f"ledger: segment {path.stem}: {what}. Restore the ledger from a copy, or write to a new OUTPUT")


def problems(path: Path, kind: LineKind) -> Iterator[str]:
    """Everything that is wrong with a segment by itself, one sentence each."""
    try:
        yield from _broken(path, kind)
    except OSError as error:
        yield f"it can't be read ({error.strerror})"


def digest(line: bytes) -> str:
    """What the next line calls this one; that of none is `START`."""
    return hashlib.sha256(line).hexdigest() if line else START


def now() -> str:
    """ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _chained(last: bytes, spelled: Iterable[Callable[[str], bytes]]) -> bytes:
    lines = []
    for spell in spelled:
        last = spell(digest(last))
        lines.append(last + b"\n")
    return b"".join(lines)


def _broken(path: Path, kind: LineKind) -> Iterator[str]:
    previous = START
    for number, text in enumerate(texts(path), 1):
        if not text.endswith(b"\n"):
            torn = f"{len(text)} bytes of an unfinished line"
            yield f"after line {number - 1}: {torn}; the writer's next line cuts them off"
            return
        complete = text[:-1]
        try:
            line = kind.read(complete)
        except ValueError as error:
            yield f"line {number}: {error}"
        else:
            if line.prev != previous:
                yield f"line {number}: the chain is broken: the line before it was changed, removed or added"
            if kind.spell(line) != complete:
                yield f"line {number}: not in canonical spelling"
        previous = digest(complete)


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
