"""How a file takes its place: written beside its name, flushed, read back, and only then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from medaug.errors import OutputError

T = TypeVar("T")


@dataclass(frozen=True)
class Written:
    """A file that was written and read back.

    Attributes:
        path: the file.
        sha256: of the bytes that were read back.
        pixels_sha256: `pixels_digest` of the stored values that were read back; empty where there are none.
        sop_instance_uid: of the instance.
    """

    path: Path
    sha256: str
    pixels_sha256: str
    sop_instance_uid: str


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
