"""The one place where pydicom parses a source file: after the pre-flight, and with every failure turned into a code."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medaug.dicom.frames import Known
from medaug.dicom.read.preflight import Outline, outline
from medaug.errors import ReadError
from medaug.processes.quiet import quiet
from medaug.storage import archive

MAX_FILE = 2**28  # bytes of one file; the largest radiographs have 60 million, and parsing holds them three times


@dataclass(frozen=True, eq=False)
class Instance:
    """One file, parsed.

    Attributes:
        dataset: the data set, with a transfer syntax in its file meta even where the file had none, and the SOP class
            that the file meta states where it has none of its own.
        outline: its structure.
        sha256: digest of the whole file.
        known: functional groups that were parsed, see `frames.flat_frames`.
    """

    dataset: Dataset
    outline: Outline
    sha256: str
    known: Known = field(default_factory=dict)


class LastFile:
    """The file that was parsed last, where only some of its frames were asked for: others may be asked for next.

    A perfusion study is one file and hundreds of series; parsing it for each would take the square of its frames.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._read: Instance | None = None

    def instance(self, path: Path) -> Instance:
        """Parse a whole file, or take it as it was parsed; raises as `instance`."""
        if self._read is None or self._path != path:
            self._path = self._read = None  # let go of the old one first
            return instance(path)
        return self._read

    def keep(self, path: Path, read: Instance | None) -> None:
        """Keep a file until another is asked for; None lets go of it."""
        self._path, self._read = path, read


def header(path: Path, keywords: Sequence[str | int]) -> tuple[Dataset, Outline]:
    """Parse the named elements of a file; its pixels are stepped over.

    Raises:
        ReadError: see `preflight.outline`; or ``unreadable``.
    """
    with coded(), archive.opened(path) as stream:
        found = outline(stream, archive.size(path))
        return _parsed(stream, found, keywords), found


def instance(path: Path) -> Instance:
    """Parse a whole file; what is hashed is what is parsed.

    Raises:
        ReadError: see `preflight.outline`; ``too-large`` or ``unreadable``.
    """
    return parsed(content(path))


def content(path: Path) -> bytes:
    """The bytes of a whole file.

    Raises:
        ReadError: ``too-large`` or ``unreadable``.
    """
    with coded():
        size = archive.size(path)
        if size > MAX_FILE:
            raise ReadError(f"the file has {size} bytes (limit {MAX_FILE})", code="too-large")
        with archive.opened(path) as stream:
            return stream.read()


def parsed(data: bytes) -> Instance:
    """Parse the bytes of a whole file.

    Raises:
        ReadError: see `preflight.outline`; or ``unreadable``.
    """
    with coded():
        found = outline(io.BytesIO(data), len(data))
        return Instance(_parsed(io.BytesIO(data), found, None), found, hashlib.sha256(data).hexdigest())


def dataset(data: bytes) -> Dataset:
    """The data set alone, of bytes that were `parsed` before.

    Raises:
        ReadError: as for `parsed`.
    """
    with coded():
        return _parsed(io.BytesIO(data), outline(io.BytesIO(data), len(data)), None)


@contextmanager
def coded() -> Iterator[None]:
    """Turn every failure of reading one file into a ReadError: a reader fed with broken files raises anything."""
    try:
        with quiet():
            yield
    except ReadError:
        raise
    except OSError as error:
        raise ReadError(f"the file can't be read ({error.strerror}); check the disk", code="unreadable") from None
    except Exception as error:
        kind = type(error).__name__
        raise ReadError(f"the file can't be parsed ({kind}); export it again", code="unreadable") from error


def _parsed(stream: BinaryIO, found: Outline, keywords: Sequence[str | int] | None) -> Dataset:
    stream.seek(0)
    source = _with_length_of_frames(stream, found, whole=keywords is None) if found.open_frames else stream
    dataset = dcmread(
        source,
        force=not found.preamble,
        stop_before_pixels=keywords is not None,
        specific_tags=None if keywords is None else [Tag(keyword) for keyword in keywords],
    )
    if not found.transfer_syntax:  # no file meta group: pydicom guessed the encoding from the first element
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    if not dataset.get("SOPClassUID") and (stated := dataset.file_meta.get("MediaStorageSOPClassUID")):
        dataset.SOPClassUID = stated
    return dataset


def _with_length_of_frames(stream: BinaryIO, found: Outline, *, whole: bool) -> BinaryIO:
    """The file with the length of its frames' groups stated: pydicom then leaves them as bytes, see `raw_items`.

    A sequence of undefined length it makes into data sets at once, which takes five times as long as all else.
    """
    assert found.open_frames
    start, end = found.open_frames
    if found.transfer_syntax == DeflatedExplicitVRLittleEndian or end > MAX_FILE:
        return stream
    order: Literal["big", "little"] = "big" if found.transfer_syntax == ExplicitVRBigEndian else "little"
    head = stream.read(start)[:-4]
    tail = stream.read(-1 if whole else end - start)
    return io.BytesIO(b"".join((head, (end - start).to_bytes(4, order), tail)))
