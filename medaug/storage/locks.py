"""Locks between processes, by flock(2): the system lets go of them when their holder dies, however it dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Wait for the lock on ``path``, which is made when missing, and hold it.

    Args:
        path: a file that is there for this only.
        shared: any number may hold it together, but nobody beside one who wants it alone.

    Raises:
        OSError: the file can't be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def take(descriptor: int) -> None:
    """Wait for the lock on an open file, and hold it alone for as long as the file stays open."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_free(path: Path) -> bool:
    """True when nobody holds ``path`` alone; True on systems without flock. A file that is gone counts as free."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a FIFO would block
    except FileNotFoundError:
        return True
    try:
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared, so that two who look don't see each other
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
