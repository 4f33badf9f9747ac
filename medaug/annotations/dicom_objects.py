"""DICOM objects that annotate others: told by their SOP class, parsed within bounds and without a word on stderr."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medaug.annotations.folder_files import files_below
from medaug.annotations.model import Images, ReaderResult, joined, withheld
from medaug.dicom.read.preflight import outline
from medaug.errors import AnnotationError, ReadError
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet
from medaug.storage.plain_files import open_plain, read_plain

DEFLATED = "1.2.840.10008.1.2.1.99"  # inflated whole by every reader, with no bound: refused
UNDEFINED = 0xFFFFFFFF
MAGIC = b"DICM"  # behind the preamble of 128 bytes
SOP_CLASS = 0x00080016
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"  # of a sequence, little endian
FIRST = 64 << 10  # bytes within which a data set says what it is
MAX_BYTES = 256 << 20  # of one file; the largest structure sets have some tens of MiB

# SOP class → the reader's name in `registry.READERS` (PS3.6 Annex A)
CLASSES: dict[bytes, str] = {
    b"1.2.840.10008.5.1.4.1.1.66.4": "seg",
    b"1.2.840.10008.5.1.4.1.1.66.7": "seg",
    b"1.2.840.10008.5.1.4.1.1.481.3": "rtstruct",
    b"1.2.840.10008.5.1.4.1.1.88.11": "sr",  # Basic Text
    b"1.2.840.10008.5.1.4.1.1.88.22": "sr",  # Enhanced
    b"1.2.840.10008.5.1.4.1.1.88.33": "sr",  # Comprehensive
    b"1.2.840.10008.5.1.4.1.1.88.34": "sr",  # Comprehensive 3D
    b"1.2.840.10008.5.1.4.1.1.88.50": "sr",  # Mammography CAD
    b"1.2.840.10008.5.1.4.1.1.88.65": "sr",  # Chest CAD
    b"1.2.840.10008.5.1.4.1.1.11.1": "gsps",
}


def kind_of(path: Path) -> str | None:
    """The reader for a file's SOP class."""
    return CLASSES.get(sop_class(path))


def sop_class(path: Path) -> bytes:
    """A file's SOP class by its meta information (PS3.10 7.1), or without one by the data set; b"" for none."""
    with open_plain(path) as file:
        head = file.read(1024)
    start = head.find(b"\x02\x00\x02\x00UI", 132) if head[128:132] == MAGIC else -1  # (0002,0002), explicit always
    if start >= 0:
        length = int.from_bytes(head[start + 6 : start + 8], "little")
        return head[start + 8 : start + 8 + length].rstrip(b"\0 ")
    return _stated_class(path) if is_dicom(head) else b""


def is_dicom(head: bytes) -> bool:
    """Whether a file begins as DICOM, with preamble or (as some archives strip it) with its first elements."""
    bare = head[:1] in (b"\x02", b"\x08") and head[1:2] + head[3:4] == b"\0\0" and len(head) > 8
    return head[128:132] == MAGIC or bare


def _stated_class(path: Path) -> bytes:
    """(0008,0016) of a data set without meta information; b"" where there is none."""
    from pydicom.filereader import read_partial

    try:
        with quiet(), open_plain(path) as file:
            stream = io.BytesIO(file.read(FIRST))  # a value before it may promise any number of bytes
            beginning = read_partial(stream, lambda tag, *_: tag > SOP_CLASS, force=True)
            return str(beginning.get("SOPClassUID") or "").encode()
    except Exception:  # noqa: BLE001 - a parser of foreign bytes
        return b""


def objects(path: Path, kind: str) -> list[Path]:
    """The file, or the files of that kind below a folder, in order; see `passed_over` for the others."""
    if path.is_file():
        return [path]
    return [file for file in files_below(path).files if kind_of(file) == kind]


def every(
    path: Path, kind: str, what: str, images: Images, one: Callable[[Path, Images, str], ReaderResult]
) -> ReaderResult:
    """What ``one`` finds in the file, or in each of that kind below a folder.

    In a folder an object that can't be used costs the others nothing: it withholds the volumes of the studies whose
    UID its bytes hold, or, as where they are cut or coded, all.

    Args:
        path: a file or folder.
        kind: the reader's name.
        what: how messages name an object, such as ``report``.
        images: everything that may be annotated.
        one: (file, images, how messages name it) → its boxes.

    Raises:
        AnnotationError: the single file can't be used.
    """
    if path.is_file():
        with parsing(f"{what} 0"):
            return one(path, images, f"{what} 0")
    parts = []
    for n, file in enumerate(objects(path, kind)):
        try:
            with parsing(f"{what} {n}"):
                parts.append(one(file, images, f"{what} {n}"))
        except AnnotationError as error:
            parts.append(withheld(_of_its_studies(file, images.volumes), "bad-entry", str(error)))
    return joined(tuple(parts))


@contextmanager
def parsing(where: str) -> Iterator[None]:
    """Values are parsed when they are looked at, and pydicom raises whatever they provoke: each is a sentence.

    Raises:
        AnnotationError: in place of what is neither one nor the system's.
    """
    try:
        yield
    except (AnnotationError, OSError, MemoryError):
        raise
    except Exception as error:
        kind = type(error).__name__
        raise AnnotationError(f"{where}: can't be parsed ({kind}); export it again") from error


def _of_its_studies(file: Path, volumes: Sequence[Volume]) -> Sequence[Volume]:
    with open_plain(file) as stream:
        data = stream.read(MAX_BYTES)
    return [v for v in volumes if v.source.study_uid.encode() in data] or volumes


def loaded(path: Path, kind: str, where: str, limit: int = MAX_BYTES) -> Any:
    """The data set of an object of that kind, with its transfer syntax; one without meta information is read, too.

    Raises:
        AnnotationError: another kind, deflated, larger than ``limit`` bytes, or not readable.
    """
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    try:
        with open_plain(path) as file:  # first, so that what can't be is not read
            checked = outline(file, min(os.fstat(file.fileno()).st_size, limit))
        data = read_plain(path, limit)
    except (OSError, ReadError):
        checked = None
    if kind_of(path) != kind or checked is None or checked.transfer_syntax == DEFLATED:
        expected = f"a DICOM object of the kind {kind!r}, not deflated, of at most {limit >> 20} MiB"
        raise AnnotationError(f"{where}: expected {expected}, found something else")
    with parsing(where), quiet():
        dataset = dcmread(io.BytesIO(data), force=True)
        whole = _is_whole(dataset, data)
    if not whole:
        raise AnnotationError(f"{where}: expected a whole object, found one cut short; copy it again")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _is_whole(dataset: Any, data: bytes) -> bool:
    """Whether the last element ends where the file does. pydicom drops an element that is cut short without a word.

    An element of undefined length, which pydicom has parsed to its delimiter, leaves that as the file's end. Zeros,
    with which some writers pad, don't count.
    """
    last, written = dataset.get_item(max(dataset.keys())), data.rstrip(b"\0")
    if getattr(last, "is_undefined_length", False) or getattr(last, "length", 0) == UNDEFINED:
        return written.endswith(DELIMITER.rstrip(b"\0"))
    tell = last.value_tell if hasattr(last, "value_tell") else last.file_tell
    return len(written) <= int(tell) + int(getattr(last, "length", 0)) <= len(data)  # none: of an empty element


def carriers(uid: str, volumes: Sequence[Volume]) -> frozenset[str]:
    """Keys of the volumes that an instance is part of."""
    return frozenset(v.source.key for v in volumes if uid in v.source.instance_uids)


def references(items: Collection[Any]) -> list[str]:
    """The SOP Instance UIDs that items refer to."""
    return [str(item.ReferencedSOPInstanceUID) for item in items if "ReferencedSOPInstanceUID" in item]
