"""Decoding in a process of its own: a codec is C code that a hostile file may crash, fill or stall.

One child per process, started at the first compressed image and kept. It has a limit of memory over its own baseline
and, for each image, one of processor time; whatever becomes of it, the caller gets an error with a code and the next
image a new child. The limits are Linux's; elsewhere the child runs without them, under the deadline alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, assert_never

from medaug.error_codes import CODES
from medaug.errors import ReadError
from medaug.processes.asking import ChildError, Kept

MEMORY = 896 * 2**20  # bytes over the child's baseline; JPEG 2000 takes some 18 per pixel: 40 million pixels
SECONDS = 5.0  # of processor time for any image
PIXELS_PER_SECOND = 16e6  # and for its size; wavelets and predictors do 30 million
BYTES_PER_SECOND = 1.5e6  # and for its bytes; JPEG 2000 decodes 6 million of the least compressible
CHILD = "medaug.children.decode"

DecoderTask = Literal["frame", "raster", "segmentation"]


def seconds(pixels: int, length: int) -> float:
    """Processor time that an image of this many pixels in this many bytes may take."""
    return SECONDS + pixels / PIXELS_PER_SECOND + length / BYTES_PER_SECOND


def ask(
    task: DecoderTask, facts: Mapping[str, Any], data: bytes, *, pixels: int, most: int
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
    try:
        said, cells = _CHILD.ask({**facts, "task": task}, data, seconds(pixels, len(data)), most)
    except ChildError as error:
        raise _ended(error) from None
    if "refused" in said:
        code, sentence = said["refused"]
        raise ReadError(str(sentence), code=code if code in CODES else "pixels")
    if raised := said.get("error"):
        if raised == MemoryError.__name__:
            raise _limits()
        raise ReadError(f"the pixel data can't be decoded ({_word(raised)}); export the image again", code="pixels")
    return said, cells


_CHILD = Kept(CHILD, str(MEMORY))
_running, _drop = _CHILD.running, _CHILD.drop


def _ended(error: ChildError) -> ReadError:
    match error.reason:
        case "limits":
            return _limits()
        case "start":
            return ReadError(f"the decoder can't be started ({error.detail})", code="decoder-died")
        case "answer":
            words = "the decoder gave no answer that can be used; export the image again"
            return ReadError(words, code="decoder-died")
        case "death":
            words = f"the decoder died of it (status {error.detail}); export the image again"
            return ReadError(words, code="decoder-died")
        case _:
            assert_never(error.reason)


def _word(kind: str) -> str:
    return kind if kind.isidentifier() else "unknown"


def _limits() -> ReadError:
    return ReadError(
        f"decoding it takes more than the {MEMORY >> 20} MiB or the processor time that one image may have; "
        "export it uncompressed",
        code="decoder-limits",
    )
