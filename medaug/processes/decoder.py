"""Decoding in a process of its own: a codec is C code that a hostile file may crash, fill or stall.

One child per process, started at the first compressed image and kept. It has a limit of memory over its own baseline
and, for each image, one of processor time; whatever becomes of it, the caller gets an error with a code and the next
image a new child. The limits are Linux's; elsewhere the child runs without them, under the deadline alone.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from medaug.error_codes import CODES
from medaug.errors import ReadError
from medaug.processes.child import exactly, started

MEMORY = 896 * 2**20  # bytes over the child's baseline; JPEG 2000 takes some 18 per pixel: 40 million pixels
SECONDS = 5.0  # of processor time for any image
PIXELS_PER_SECOND = 16e6  # and for its size; wavelets and predictors do 30 million
BYTES_PER_SECOND = 1.5e6  # and for its bytes; JPEG 2000 decodes 6 million of the least compressible
PATIENCE = 5  # wall seconds for each processor second on a busy machine, and for starting
ENDING = 5.0  # seconds for a child that closed its pipe
CHILD = "medaug.children.decode"
MAX_FACTS = 1 << 16  # bytes of JSON in an answer

Task = Literal["frame", "raster", "segmentation"]


def seconds(pixels: int, length: int) -> float:
    """Processor time that an image of this many pixels in this many bytes may take."""
    return SECONDS + pixels / PIXELS_PER_SECOND + length / BYTES_PER_SECOND


def ask(
    task: Task, facts: Mapping[str, Any], data: bytes, *, pixels: int, most: int
) -> tuple[Mapping[str, Any], bytearray]:
    """Have the child do a task.

    Args:
        task: see `apart_child`.
        facts: what it must know, as JSON.
        data: the codestream or file.
        pixels: of the image, or the greatest number that it may have.
        most: bytes that the answer may have.

    Returns:
        What it says, and the cells; never more than ``most``, whatever the child says.

    Raises:
        ReadError: the task's own; ``pixels`` where the decoder refuses the image, ``decoder-limits`` where it takes too
            much memory or time, ``decoder-died`` where it dies.
    """
    limit = seconds(pixels, len(data))
    asked = json.dumps({**facts, "task": task, "seconds": limit}).encode()
    with _lock:
        child = _running()
        try:
            said, cells = child.ask(asked, data, limit, most)
        except BaseException:  # an interrupt, too: what is left in the pipe would be the next image's
            _drop()
            raise
    if "refused" in said:
        code, sentence = said["refused"]
        raise ReadError(str(sentence), code=code if code in CODES else "pixels")
    if error := said.get("error"):
        if error == MemoryError.__name__:
            raise _limits()
        raise ReadError(f"the pixel data can't be decoded ({_word(error)}); export the image again", code="pixels")
    return said, cells


class _Child:
    """The process and its two pipes."""

    def __init__(self) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # threads' stacks count as memory
        try:
            self.process = started(CHILD, str(MEMORY), environment=one)
        except OSError as error:
            raise ReadError(f"the decoder can't be started ({error.strerror})", code="decoder-died") from error

    def ask(self, asked: bytes, data: bytes, limit: float, most: int) -> tuple[dict[str, Any], bytearray]:
        """Send a task and wait for the answer."""
        timer = threading.Timer(PATIENCE * (1 + limit), self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(struct.pack("<IQ", len(asked), len(data)) + asked)
            self.process.stdin.write(data)
            self.process.stdin.flush()
            facts, length = struct.unpack("<IQ", exactly(self.process.stdout, 12))
            said = json.loads(exactly(self.process.stdout, facts, MAX_FACTS))
            return said, exactly(self.process.stdout, length, most)
        except (OSError, EOFError, ValueError):
            raise self._death() from None
        finally:
            timer.cancel()

    def _death(self) -> ReadError:
        try:
            status = self.process.wait(ENDING)
        except subprocess.TimeoutExpired:  # it lives on, but what it said was no answer
            return ReadError("the decoder gave no answer that can be used; export the image again", code="decoder-died")
        if -status in {9, 24}:  # SIGKILL: the deadline or the hard limit; SIGXCPU: processor time
            return _limits()
        return ReadError(f"the decoder died of it (status {status}); export the image again", code="decoder-died")

    def close(self) -> None:
        """End it at once."""
        self.process.kill()
        self.leave()
        self.process.wait()

    def leave(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what was not sent any more
                if pipe is not None:
                    pipe.close()


_lock = threading.Lock()
_children: dict[int, _Child] = {}  # by process: after a fork the parent's pipes are the parent's


def _running() -> _Child:
    me = os.getpid()
    for owner, child in _children.items():
        if owner != me:
            child.leave()
    if me in _children and _children[me].process.poll() is not None:
        _drop()
    if me not in _children:
        _children[me] = _Child()
    return _children[me]


def _drop() -> None:
    child = _children.pop(os.getpid(), None)
    if child is not None:
        child.close()


def _word(kind: str) -> str:
    return kind if kind.isidentifier() else "unknown"


def _limits() -> ReadError:
    return ReadError(
        f"decoding it takes more than the {MEMORY >> 20} MiB or the processor time that one image may have; "
        "export it uncompressed",
        code="decoder-limits",
    )


atexit.register(_drop)
