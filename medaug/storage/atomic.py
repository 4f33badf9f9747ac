"""Files and folders that are there whole or not at all, whatever is cut off."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medaug.errors import OutputError
from medaug.storage.plain_files import open_plain

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A passing name beside ``path``; the file written there is flushed and takes the name when the block ends well.

    Raises:
        OSError: the disk didn't take it; ``path`` is as it was, as after whatever else ends the block.
    """
    passing = _beside(path)
    try:
        yield passing
        flush_file(passing)
        passing.replace(path)
    except BaseException:
        with suppress(OSError):
            passing.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends well and vanishes when it doesn't.

    Raises:
        OSError: the disk didn't take it, or something has the name.
    """
    passing = _beside(path)
    try:
        passing.mkdir(parents=True)
        yield passing
        passing.rename(path)
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def replace_file(path: Path, data: bytes | Iterable[bytes], *, mode: int | None = None) -> Path:
    """Write ``data`` beside ``path``, flush it to disk, and give it its name in one step.

    Args:
        path: the file.
        data: its bytes, or blocks of them, of which one at a time is in memory. What goes wrong while they are made
            leaves ``path`` as it was.
        mode: its rights from the first moment on; those of any new file where left out.

    Raises:
        OutputError: the disk is full, read-only or failing; ``path`` is as it was.
    """
    size = 0
    try:
        with replacing(path) as passing:
            if mode is not None:
                passing.touch(mode)
            with passing.open("wb") as file:
                for block in (data,) if isinstance(data, bytes) else data:
                    size += len(block)
                    file.write(block)
        flush_folder(path.parent)
    except OSError as error:
        raise unusable(path.name, error, needed=size) from None
    return path


def write_secret(path: Path, secret: bytes) -> None:
    """A new file that is readable by its owner only, from the first moment on, flushed with its name.

    Raises:
        OSError: something has the name, or the disk didn't take it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        write_flushed(descriptor, secret)
    finally:
        os.close(descriptor)
    flush_folder(path.parent)


def write_flushed(descriptor: int, data: bytes) -> None:
    """Write all of it at once and have the disk confirm it.

    Raises:
        OSError: the disk didn't take it whole.
    """
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what the rest of a short write would say
    os.fsync(descriptor)


def has_bytes(path: Path, data: Iterable[bytes]) -> bool:
    """True when the file is there and holds just these blocks."""
    try:
        with open_plain(path, follow=False) as file:
            return all(file.read(len(block)) == block for block in data) and not file.read(1)
    except FileNotFoundError:
        return False


def flush_file(path: Path) -> None:
    """Make a file's bytes durable."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable; a no-op where folders can't be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unusable(name: str, error: OSError, *, needed: int = 0) -> OutputError:
    """Say what a failed write means, without a path.

    Args:
        name: what was written, in OUTPUT's words.
        error: what the system said.
        needed: bytes that were to be written, where that is known.
    """
    reason = error.strerror or type(error).__name__
    size = f" ({needed} bytes)" if needed else ""
    return OutputError(
        f"OUTPUT: writing {name}{size} failed: {reason}; nothing partial was left under that name. "
        "Make room or restore access, then give the same command again: it continues"
    )


@contextmanager
def disk_errors(what: str, *more: int) -> Iterator[None]:
    """Turn a full, read-only or broken disk, or something in the way, into one sentence.

    Args:
        what: was written, in OUTPUT's words.
        more: further errnos that are the disk's here.

    Raises:
        OutputError: in place of such an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {*_DISK, *more} or isinstance(error, PermissionError):
            raise unusable(what, error) from error
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
