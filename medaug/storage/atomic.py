"""Files that are there whole or not at all, whatever is cut off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from medaug.errors import OutputError


def replace_file(path: Path, data: bytes | Iterable[bytes]) -> Path:
    """Write ``data`` beside ``path``, flush it to disk, and give it its name in one step.

    Args:
        path: the file.
        data: its bytes, or blocks of them, of which one at a time is in memory. What goes wrong while they are made
            leaves ``path`` as it was.

    Raises:
        OutputError: the disk is full, read-only or failing; ``path`` is as it was.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    size = 0
    try:
        with staged.open("wb") as file:
            for block in (data,) if isinstance(data, bytes) else data:
                size += len(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise unusable(path.name, error, needed=size) from None
    except Exception:
        staged.unlink(missing_ok=True)
        raise
    return path


def has_bytes(path: Path, data: Iterable[bytes]) -> bool:
    """True when the file is there and holds just these blocks."""
    try:
        with path.open("rb") as file:
            return all(file.read(len(block)) == block for block in data) and not file.read(1)
    except FileNotFoundError:
        return False


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


T = TypeVar("T")


def place(path: Path, data: bytes, check: Callable[[Path], T]) -> T:
    """Write ``data`` to ``path``.

    Args:
        path: the final name; its folder exists.
        data: the whole file.
        check: called with the flushed file under its passing name; raises when that isn't what was meant.

    Returns:
        What ``check`` found.

    Raises:
        OutputError: the disk is full, read-only or failing.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        on_output(lambda: flushed(part, data))
        found = check(part)
        on_output(lambda: part.replace(path))
        return found
    finally:
        on_output(lambda: part.unlink(missing_ok=True))


def flushed(part: Path, data: bytes) -> None:
    """Write ``data`` and have the disk confirm it."""
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def on_output(action: Callable[[], object]) -> None:
    """Do it; what the disk refuses becomes one sentence.

    Raises:
        OutputError: in place of OSError.
    """
    try:
        action()
    except OSError as error:
        raise OutputError(
            f"OUTPUT can't be written ({error.strerror}); free space or make it writable, then run again"
        ) from error
