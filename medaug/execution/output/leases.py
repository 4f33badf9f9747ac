"""Who works on what. A lease saves work that would be done twice; it never decides what is right: the rename does.

A worker that takes a unit holds ``.staging/<unit>.<worker>.lock`` with flock(2) and writes into the folder beside it.
The file is gone when the unit ended, whatever became of it. A file that nobody holds any more is the trace of a worker
that died, and the number of them is the number of attempts that killed their worker.

Locks of other hosts can't be seen on every shared file system, so those count as held for `STALE` seconds after their
last heartbeat. Ages are differences of times that the file system itself gave, never of a host's clock.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from medaug.audit.layout import UNIT_DIGITS
from medaug.storage import locks
from medaug.storage.plain_files import read_plain

STALE = 120.0  # seconds without a heartbeat after which another host's worker counts as dead
BEAT = 15.0  # seconds between heartbeats
LOCK = "lock"  # of the folder itself: alone to open and list, shared to commit


@dataclass(frozen=True)
class Lease:
    """A unit that is ours for now.

    Attributes:
        folder: where it is staged; not made yet.
        deaths: the stages at which workers died over this unit before, oldest name first.
        stages: how far this attempt got, in order.
        overtime: the stage at which one of them was ended for its time (`last_resort`), else empty.
    """

    folder: Path
    deaths: tuple[str, ...]
    stages: list[str] = field(default_factory=list)
    overtime: str = ""

    @property
    def trace(self) -> Path:
        """Where it is noted if this process has to end over the unit."""
        return _marker(self.folder)

    def stage(self, name: str) -> None:
        """Note how far the unit is, for those who find the note when this process died, such as ``solve``."""
        self.stages.append(name)
        with suppress(OSError):  # it explains a death; without it the work is as good
            self.trace.write_text(f"{name}\n", encoding="ascii")


def worker_name() -> str:
    """A name for this process that no other has: ``<host>-<pid>-<random>``, at most 32 of [0-9a-f-]."""
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


@contextmanager
def lease(staging: Path, unit: str, worker: str) -> Iterator[Lease | None]:
    """Take a unit; None when somebody else is at it.

    What is left of the unit's staging is removed in the end. The traces of dead workers go as soon as the unit ended
    without an exception: it didn't kill this one.

    Raises:
        OSError: the folder can't be written.
    """
    own = staging / f"{unit[:UNIT_DIGITS]}.{worker}"
    if any(_alive(marker) for marker in _markers(staging, unit)):
        yield None
        return
    descriptor = _mark(own)
    try:
        others = [marker for marker in _markers(staging, unit) if marker != _marker(own)]
        if any(_alive(marker) and marker.name < _marker(own).name for marker in others):
            yield None  # two came at once: the lesser name has it
            return
        dead = [marker for marker in others if not _alive(marker)]
        for marker in dead:
            shutil.rmtree(marker.with_suffix(""), ignore_errors=True)
        with _heart(_marker(own)):
            notes = [_note(marker) for marker in sorted(dead)]
            overtime = next((stage for stage, late in notes if late), "")
            yield Lease(own, tuple(stage for stage, _ in notes), overtime=overtime)
        for marker in dead:
            marker.unlink(missing_ok=True)
    finally:
        try:
            shutil.rmtree(own, ignore_errors=True)
            _marker(own).unlink(missing_ok=True)
        finally:
            os.close(descriptor)  # also on a disk that lets no file go: else this process would hold the unit for ever


def tidy(staging: Path) -> None:
    """Remove what dead workers staged; what living ones hold stays, and so do the traces that count attempts."""
    for path in sorted(staging.iterdir()):
        if path.is_dir() and not (_marker(path).exists() and _alive(_marker(path))):
            shutil.rmtree(path, ignore_errors=True)
        if path.name.startswith("new.") and not _alive(path):
            path.unlink(missing_ok=True)


def working(staging: Path) -> int:
    """How many workers hold a unit now. Changes nothing."""
    return sum(_alive(marker, touch=False) for marker in staging.glob("*.*.lock"))


def traces(staging: Path, unit: str) -> bool:
    """Whether workers died over a unit, or over one beside it."""
    return any(not _alive(marker) for marker in _markers(staging, unit))


def _mark(own: Path) -> int:
    """Make the marker so that it is held from the first moment it can be seen; returns its descriptor."""
    hidden = own.with_name(f"new.{own.name}.lock")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        locks.take(descriptor)
        hidden.rename(_marker(own))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _marker(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _markers(staging: Path, unit: str) -> list[Path]:
    return sorted(staging.glob(f"{unit[:UNIT_DIGITS]}.*.lock"))


def _alive(marker: Path, *, touch: bool = True) -> bool:
    """Held, or another host's and not yet stale."""
    if not locks.is_free(marker):
        return True
    if f".{_host()}-" in marker.name and sys.platform != "win32":
        return False
    try:
        return _now(marker.parent, touch=touch) - marker.stat().st_mtime < STALE
    except FileNotFoundError:
        return False


def _now(staging: Path, *, touch: bool) -> float:
    """The file system's time, which other hosts see as well. Without writing: that of the latest change in there."""
    clock = staging / "clock"
    if touch:
        clock.touch()
        return clock.stat().st_mtime
    return max((path.stat().st_mtime for path in (staging, *staging.iterdir()) if path.exists()), default=0.0)


def _note(marker: Path) -> tuple[str, bool]:
    """How far a dead worker was, and whether it was ended for its time: then more is written below."""
    try:
        stage, _, more = read_plain(marker, follow=False).decode("ascii", errors="replace").partition("\n")
    except OSError:
        return "start", False
    return stage if stage.isalpha() and len(stage) <= 16 else "start", bool(more)


@contextmanager
def _heart(marker: Path) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT):
            with suppress(OSError):
                os.utime(marker)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _host() -> str:
    """A host's name, hashed: it may name a person."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
