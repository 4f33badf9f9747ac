"""Compressed pixels, decoded in a process apart: a codec is C code that a hostile file may crash, fill or stall.

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
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO

import numpy as np

from medaug.errors import ReadError
from medaug.imaging.volume import Stored

MEMORY = 896 * 2**20  # bytes over the child's baseline; JPEG 2000 takes some 18 per pixel: 40 million pixels
SECONDS = 5.0  # of processor time for any image
PIXELS_PER_SECOND = 16e6  # and for its size; wavelets and predictors do 30 million
BYTES_PER_SECOND = 1.5e6  # and for its codestream; JPEG 2000 decodes 6 million of the least compressible
PATIENCE = 5  # wall seconds for each processor second on a busy machine, and for starting
CHILD = "medaug.dicom.decoder_child"
REFUSED = "pixels"  # the child goes on


@dataclass(frozen=True)
class Frame:
    """What a codec must know of a grey frame.

    Attributes:
        syntax: transfer syntax UID.
        plugin: pydicom's name of the decoder.
        rows: image height in px.
        columns: image width in px.
        allocated: BitsAllocated, 8 or 16.
        stored: BitsStored.
        signed: PixelRepresentation.
        photometric: PhotometricInterpretation.
    """

    syntax: str
    plugin: str
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: int
    photometric: str

    def seconds(self, length: int) -> float:
        """Processor time that a codestream of this many bytes may take."""
        return SECONDS + self.rows * self.columns / PIXELS_PER_SECOND + length / BYTES_PER_SECOND


def decoded(frame: Frame, codestream: bytes) -> Stored:
    """Decode one frame in the child.

    Returns:
        (rows, columns), uint8 or uint16: the cells as the decoder gives them, writable.

    Raises:
        ReadError: ``pixels`` where the decoder refuses it, ``decoder-limits`` where it takes too much memory or time,
            ``decoder-died`` where it dies.
    """
    with _lock:
        child = _running()
        try:
            reply = child.ask(frame, codestream)
        except BaseException as error:  # an interrupt, too: what is left in the pipe would be the next image's
            if not (isinstance(error, ReadError) and error.code == REFUSED):
                _drop()
            raise
    return np.frombuffer(reply, dtype=f"u{frame.allocated // 8}").reshape(frame.rows, frame.columns)


class _Child:
    """The process and its two pipes."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # threads' stacks count as memory
        try:
            self.process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
                [sys.executable, "-P", "-B", "-m", CHILD, str(MEMORY)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one, "PYTHONPATH": paths},
            )
        except OSError as error:
            raise ReadError(f"the decoder can't be started ({error.strerror})", code="decoder-died") from error

    def ask(self, frame: Frame, codestream: bytes) -> bytearray:
        """Send a frame and wait for its cells."""
        seconds = frame.seconds(len(codestream))
        asked = json.dumps({**asdict(frame), "seconds": seconds}).encode()
        size = frame.rows * frame.columns * frame.allocated // 8
        timer = threading.Timer(PATIENCE * (1 + seconds), self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(struct.pack("<IQ", len(asked), len(codestream)) + asked)
            self.process.stdin.write(codestream)
            self.process.stdin.flush()
            kind = exactly(self.process.stdout, 32).rstrip(b"\0").decode("ascii", "replace")
            if not kind:
                return exactly(self.process.stdout, size)
        except (OSError, EOFError):
            raise self._death() from None
        finally:
            timer.cancel()
        if kind == MemoryError.__name__:
            raise _limits()
        raise ReadError(f"the pixel data can't be decoded ({_word(kind)}); export the image again", code=REFUSED)

    def _death(self) -> ReadError:
        self.process.kill()  # it closed its pipe, so it is ending
        status = self.process.wait()
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


def exactly(stream: IO[bytes], count: int) -> bytearray:
    """This many bytes.

    Raises:
        EOFError: the stream ends before.
    """
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        read = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not read:
            raise EOFError
        at += read
    return data


def _word(kind: str) -> str:
    return kind if kind.isidentifier() else "unknown"


def _limits() -> ReadError:
    return ReadError(
        f"decoding it takes more than the {MEMORY >> 20} MiB or the processor time that one image may have; "
        "export it uncompressed",
        code="decoder-limits",
    )


atexit.register(_drop)
