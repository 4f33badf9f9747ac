"""DICOM objects that annotate others: told by their SOP class, parsed within bounds and without a word on stderr."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from medaug.errors import AnnotationError
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet

DEFLATED = b"1.2.840.10008.1.2.1.99"  # inflated whole by every reader, with no bound: refused
UNDEFINED = 0xFFFFFFFF
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"  # of a sequence, little endian
MAX_BYTES = 256 << 20  # of one file; the largest structure sets have some tens of MiB

# SOP class → the reader's name in `table.READERS` (PS3.6 Annex A)
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
    """The reader for a file's SOP class, by its meta information (PS3.10 7.1, always explicit little endian)."""
    with path.open("rb") as file:
        head = file.read(1024)
    start = head.find(b"\x02\x00\x02\x00UI", 132)  # (0002,0002) MediaStorageSOPClassUID
    if head[128:132] != b"DICM" or start < 0:
        return None
    length = int.from_bytes(head[start + 6 : start + 8], "little")
    return CLASSES.get(head[start + 8 : start + 8 + length].rstrip(b"\0 "))


def objects(path: Path, kind: str) -> list[Path]:
    """The file, or the files of that kind below a folder, in order; other files are passed over."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and kind_of(p) == kind)


def loaded(path: Path, kind: str, where: str) -> Any:
    """The data set of an object of that kind.

    Raises:
        AnnotationError: another kind, deflated, too large, or not readable.
    """
    from pydicom import dcmread

    with path.open("rb") as file:
        head = file.read(1024)
    if kind_of(path) != kind or DEFLATED in head or path.stat().st_size > MAX_BYTES:
        expected = f"a DICOM object of the kind {kind!r}, not deflated, of at most {MAX_BYTES >> 20} MiB"
        raise AnnotationError(f"{where}: expected {expected}, found something else")
    try:
        with quiet():
            dataset = dcmread(path)
            whole = _is_whole(dataset, path)
    except Exception as error:  # noqa: BLE001 - a parser of foreign bytes; its message may hold content
        raise AnnotationError(f"{where}: can't be parsed ({type(error).__name__}); export it again") from None
    if not whole:
        raise AnnotationError(f"{where}: expected a whole object, found one cut short; copy it again")
    return dataset


def _is_whole(dataset: Any, path: Path) -> bool:
    """Whether the last element ends where the file does. pydicom drops an element that is cut short without a word.

    An element of undefined length, which pydicom has parsed to its delimiter, leaves that as the file's end.
    """
    data = path.read_bytes().rstrip(b"\0")  # some writers pad
    last = dataset.get_item(max(dataset.keys()))
    if getattr(last, "is_undefined_length", False) or getattr(last, "length", 0) == UNDEFINED:
        return data.endswith(DELIMITER.rstrip(b"\0"))
    tell = last.value_tell if hasattr(last, "value_tell") else last.file_tell
    return len(data) <= int(tell) + int(last.length) <= path.stat().st_size


def carriers(uid: str, volumes: Sequence[Volume]) -> frozenset[str]:
    """Keys of the volumes that an instance is part of."""
    return frozenset(v.source.key for v in volumes if uid in v.source.instance_uids)


def references(items: Collection[Any]) -> list[str]:
    """The SOP Instance UIDs that items refer to."""
    return [str(item.ReferencedSOPInstanceUID) for item in items if "ReferencedSOPInstanceUID" in item]
