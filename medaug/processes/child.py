"""A module of this package as a process of its own, and the pipes to and from it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO


def started(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A module of this package as a process of its own, with pipes to and from it.

    Unlike `multiprocessing`, nothing of the caller's script is run in it.

    Raises:
        OSError: it can't be started.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
        [sys.executable, "-P", "-B", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {}), "PYTHONPATH": paths},
    )


def silenced() -> IO[bytes]:
    """In such a process: the pipe to the caller, after which nothing that a library prints can get into it."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return answers


def ending_with(asked: IO[bytes]) -> IO[bytes]:
    """In such a process: what is asked; when that ends, so does the process, in the middle of a task, too.

    The caller's end of a pipe is closed by the system when the caller dies, however it dies. Without this a child would
    first finish what it is at, beside the one that a new run has started.
    """
    here, there = os.pipe()

    def pass_on() -> None:
        while data := os.read(asked.fileno(), 1 << 16):
            while data:
                data = data[os.write(there, data) :]
        os._exit(0)

    threading.Thread(target=pass_on, daemon=True).start()
    return os.fdopen(here, "rb")


def exactly(stream: IO[bytes], count: int, most: int = sys.maxsize) -> bytearray:
    """This many bytes.

    Raises:
        EOFError: the stream ends before, or more than ``most`` are promised.
    """
    if count > most:
        raise EOFError
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        read = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        at += read
    return data
