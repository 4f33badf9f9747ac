"""Annotations read in a process of its own: whoever wrote the file decides how much of it there is to read.

One child per process, started at the first annotation and kept. It may take memory and processor time by the size of
the files and of the images; beyond that it is ended, and the caller gets an error with a code. What it answers is no
program: boxes as JSON, masks as bits.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from copyreg import dispatch_table
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from pydantic import TypeAdapter

from medaug.annotations.folder_files import files_below
from medaug.annotations.model import ClassMask
from medaug.annotations.registry import Matched
from medaug.annotations.structures import unpacked
from medaug.error_codes import CODES
from medaug.errors import AnnotationError
from medaug.imaging.volume import Mask, Volume
from medaug.processes.asking import ChildError, Kept

CHILD = "medaug.children.annotations"
MEMORY = 1 << 30  # bytes over what the child holds before
MEMORY_PER_BYTE = 12  # of the files; a Segmentation's bits become bytes, a JSON's brackets objects
MOST_BYTES = 512 << 20  # that count; what is larger is mostly pixels, or nothing
MEMORY_PER_VOXEL = 8  # of the largest image; components are counted in four bytes each
SECONDS = 20.0  # of processor time
BYTES_PER_SECOND, VOXELS_PER_SECOND, FILES_PER_SECOND = 1e6, 5e5, 5
MAX_ANSWER = 1 << 32  # bytes

_CHILD = Kept(CHILD)
_MATCHED: TypeAdapter[Matched] = TypeAdapter(Matched)


def read_annotations(path: Path, volumes: Sequence[Volume], **how: Any) -> Matched:
    """`registry.read_annotations`, there.

    Raises:
        AnnotationError: as there; or ``annotation-limits``, it takes too much memory or time.
    """
    _, data = _asked("boxes", path, volumes, how)
    return _MATCHED.validate_json(bytes(data))


def read_structures(path: Path, volumes: Sequence[Volume], known: Sequence[Path], what: str) -> dict[str, Mask]:
    """`structures.read_structures`, there; raises as `read_annotations`."""
    return {each.key: each.mask for each in _masks("structures", path, volumes, {"known": known, "what": what})}


def read_masks(path: Path, volumes: Sequence[Volume], known: Sequence[Path]) -> tuple[ClassMask, ...]:
    """`registry.read_masks`, there; raises as `read_annotations`."""
    return tuple(_masks("masks", path, volumes, {"known": known}))


def _masks(task: str, path: Path, volumes: Sequence[Volume], how: dict[str, Any]) -> Iterator[ClassMask]:
    said, data = _asked(task, path, volumes, how)
    shapes, at = {volume.source.key: volume.geometry.shape for volume in volumes}, int(said["listed"])
    for key, label, length in json.loads(data[:at]):
        yield ClassMask(key, label, unpacked(bytes(data[at : at + length]), shapes[key]))
        at += length


def _asked(task: str, path: Path, volumes: Sequence[Volume], how: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
    memory, seconds = limits(path, volumes)
    facts = {"task": task, "folder": str(Path.cwd()), "memory": memory}
    try:
        said, data = _CHILD.ask(facts, _sent((path, [_bare(volume) for volume in volumes]), how), seconds, MAX_ANSWER)
    except ChildError as error:
        raise _ended(error, memory, seconds) from None
    if "refused" in said:
        code, sentence = said["refused"]
        raise AnnotationError(str(sentence), code=code if code in CODES else None)
    if said.get("error") == MemoryError.__name__:
        raise _ended(ChildError("limits"), memory, seconds)
    if "error" in said:
        place = f"{said['error']} at {said['place']}"
        raise AnnotationError(f"annotations: reading them failed unexpectedly ({place}); please report this line")
    return said, data


def limits(path: Path, volumes: Sequence[Volume]) -> tuple[int, float]:
    """Bytes of memory and seconds of processor time that reading a file or folder for these images may take."""
    try:
        files = files_below(path).files if path.is_dir() else (path,)
        size = sum(file.stat().st_size for file in files)
    except OSError:  # the reader says it
        files, size = (), 0
    size = min(size, MOST_BYTES)
    voxels = max((int(np.prod(volume.geometry.shape)) for volume in volumes), default=0)
    memory = MEMORY + MEMORY_PER_BYTE * size + MEMORY_PER_VOXEL * voxels
    seconds = SECONDS + size / BYTES_PER_SECOND + len(files) * (1 / FILES_PER_SECOND + voxels / VOXELS_PER_SECOND)
    return min(memory, max(MEMORY, _machine() * 3 // 4)), seconds


def _machine() -> int:
    """Bytes of the machine's memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows, where nothing limits the child either
        return 1 << 62


def _bare(volume: Volume) -> Volume:
    """Without its pixels: zeros that take no memory, and no time to send."""
    zero = np.zeros((), dtype=volume.stored.dtype)
    return replace(volume, stored=np.broadcast_to(zero, volume.stored.shape), colour=None)


def _sent(arguments: tuple[Any, ...], how: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {**dispatch_table, np.ndarray: _reduced}
    pickler.dump((arguments, how))
    return stream.getvalue()


def _reduced(array: np.ndarray[Any, Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """An array of one number again and again as that number."""
    if array.size > 1 and not any(array.strides):
        return np.broadcast_to, (array[(0,) * array.ndim], array.shape)
    made: tuple[Callable[..., Any], tuple[Any, ...]] = array.__reduce__()  # type: ignore[assignment]
    return made


def _ended(error: ChildError, memory: int, seconds: float) -> AnnotationError:
    match error.reason:
        case "limits":
            most = f"{memory >> 20} MiB of memory or the {seconds:.0f} s of processor time"
            words = f"reading them takes more than the {most} that files of this size may have; check or split them"
        case "start":
            words = f"the process that reads them can't be started ({error.detail})"
        case "answer" | "death":
            words = f"the process that reads them died of it ({error.detail}); check them"
        case _:
            assert_never(error.reason)
    return AnnotationError(f"annotations: {words}", code="annotation-limits")
