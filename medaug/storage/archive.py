"""Files in folders and in zip archives, opened alike; nothing is unpacked to disk.

A file in an archive has the path ``export.zip/folder/1.dcm``, as if the archive were a folder, so that names, folders
and order mean there what they mean elsewhere. Only stored and deflated entries are read, each whole into memory
and bounded; the directory of an archive is read once and kept.
"""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from medaug.errors import ReadError
from medaug.storage.plain_files import open_plain

MAX_ENTRIES = 1_000_000
MAX_ENTRY = 2**28  # bytes of one inflated entry, as of a DICOM file; inflating holds them twice
MAX_RATIO = 200  # inflated : deflated, once beyond SMALL
SMALL = 16 * 2**20
LOCAL_HEADER = 30  # bytes of the fixed part (APPNOTE.TXT 4.3.7)
STORED, DEFLATED = 0, 8
ENCRYPTED = 0x1 | 0x40 | 0x2000  # flag bits: traditional, strong, masked local headers (APPNOTE.TXT 4.4.4)


@dataclass(frozen=True)
class ArchiveEntry:
    """One file of an archive, as its central directory states it."""

    offset: int
    method: int
    deflated: int
    size: int
    crc: int


@dataclass(frozen=True)
class Refused:
    """An entry that is not read, and why; it holds no name."""

    code: str
    reason: str


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive holds: entries by their name inside, in name order, and those that are refused."""

    entries: Mapping[str, ArchiveEntry]
    refused: tuple[Refused, ...]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file for reading, seekable; one in an archive is held in memory.

    Raises:
        OSError: it can't be opened.
        ReadError: its archive, or it in its archive, can't be read.
    """
    try:
        stream = open_plain(path, follow=False)
    except NotADirectoryError:
        yield io.BytesIO(_read(*_inside(path)))
        return
    with stream:
        yield stream


def size(path: Path) -> int:
    """Bytes of a file.

    Raises:
        OSError: it isn't there.
        ReadError: its archive can't be read.
    """
    try:
        return path.stat().st_size
    except NotADirectoryError:
        return _inside(path)[1].size


def sha256_of(path: Path) -> str:
    """SHA-256 of a file; raises as `opened` does."""
    with opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # BinaryIO is enough


def is_archive(path: Path) -> bool:
    """Whether a file begins like a zip archive.

    Raises:
        OSError: it can't be opened.
        ReadError: likewise, in an archive.
    """
    with opened(path) as stream:
        return stream.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def members(path: Path) -> Iterator[Path | Refused]:
    """The files of an archive in name order, and what is refused of it.

    Raises:
        ReadError: see `archive`.
    """
    contents = archive(path)
    yield from (path / name for name in contents.entries)
    yield from contents.refused


def archive(path: Path) -> ArchiveContents:
    """What an archive holds.

    Raises:
        ReadError: ``damaged``, ``too-large``, or ``zip-bomb`` where entries share their bytes.
    """
    status = path.stat()
    return _archive(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=8)
def _archive(path: Path, length: int, _changed: int) -> ArchiveContents:
    try:
        with open_plain(path, follow=False) as stream, zipfile.ZipFile(stream) as zipped:
            listed = [info for info in zipped.infolist() if not _name(info).endswith("/")]
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, struct.error, EOFError):
        raise ReadError("the zip archive is damaged or cut short; copy it again", code="damaged") from None
    if len(listed) > MAX_ENTRIES:
        raise ReadError(f"the zip archive lists {len(listed)} files (limit {MAX_ENTRIES})", code="too-large")
    _refuse_overlap(listed, length)
    entries: dict[str, ArchiveEntry] = {}
    refused = []
    for name, group in _by_name(listed).items():
        problem = _problem(group)
        if problem:
            refused += [problem] * len(group)
        else:
            info = group[0]
            entries[name] = ArchiveEntry(
                info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC
            )
    return ArchiveContents(dict(sorted(entries.items())), tuple(refused))


def _by_name(listed: list[zipfile.ZipInfo]) -> dict[str, list[zipfile.ZipInfo]]:
    groups: dict[str, list[zipfile.ZipInfo]] = {}
    for info in listed:
        groups.setdefault(_name(info), []).append(info)
    return groups


def _name(info: zipfile.ZipInfo) -> str:
    """An entry's name with slashes: packers of Windows write backslashes, against APPNOTE.TXT 4.4.17."""
    return info.orig_filename.replace("\\", "/")


def _problem(group: list[zipfile.ZipInfo]) -> Refused | None:
    """Why the entries of one name are not read."""
    info = group[0]
    if len(group) > 1:
        return Refused("archive-entry", "several entries of a zip archive have one name; pack it again")
    if _leads_out(info):
        return Refused("archive-entry", "the name of a zip entry leads out of the archive; pack it again")
    if info.flag_bits & ENCRYPTED:
        return Refused("encrypted", "an entry of a zip archive is encrypted; unpack it with its password")
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:  # 0: made on a system without such bits
        return Refused("not-a-file", "a link, pipe or device in a zip archive: only regular files are read")
    if info.compress_type not in {STORED, DEFLATED}:
        return Refused("archive-entry", "a zip entry is neither stored nor deflated; pack it again with deflate")
    return _too_much(info)


def _too_much(info: zipfile.ZipInfo) -> Refused | None:
    if info.file_size > MAX_ENTRY:
        return Refused("too-large", f"a zip entry of {info.file_size} bytes (limit {MAX_ENTRY}); unpack it")
    bomb = info.file_size > max(SMALL, MAX_RATIO * info.compress_size)
    claim = f"a zip entry of {info.compress_size} bytes claims to hold {info.file_size}; unpack it if it is true"
    return Refused("zip-bomb", claim) if bomb else None


def _leads_out(info: zipfile.ZipInfo) -> bool:
    """Whether a name is one that no archive of an export holds: absolute, with a drive, or upwards."""
    name = _name(info)
    parts = PurePosixPath(name).parts
    plain = parts and parts[0] != "/" and ".." not in parts and "/".join(parts) == name
    return not plain or bool(set(name) & set(":\0"))


def _refuse_overlap(listed: list[zipfile.ZipInfo], length: int) -> None:
    """Entries that share bytes make an archive of 10 MB hold 281 TB (D. Fifield, A better zip bomb, 2019)."""
    end = 0
    for info in sorted(listed, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ReadError("entries of the zip archive overlap, as in a bomb; pack it again", code="zip-bomb")
        end = info.header_offset + LOCAL_HEADER + info.compress_size
    if end > length:
        raise ReadError("the zip archive is damaged or cut short; copy it again", code="damaged")


def _inside(path: Path) -> tuple[Path, ArchiveEntry]:
    """The archive that a path leads into, and the entry there."""
    for parent in path.parents:
        if parent.is_file():
            entry = archive(parent).entries.get(path.relative_to(parent).as_posix())
            if entry is None:
                break
            return parent, entry
    raise ReadError("a file is no longer in its archive; give the same command again", code="input-changed")


def _read(path: Path, entry: ArchiveEntry) -> bytes:
    """An entry's bytes, checked by length and CRC."""
    with open_plain(path, follow=False) as stream:
        stream.seek(entry.offset)
        head = stream.read(LOCAL_HEADER)
        if len(head) < LOCAL_HEADER or head[:4] != b"PK\x03\x04":
            raise ReadError("the zip archive is damaged; copy it again", code="damaged")
        name, extra = struct.unpack("<HH", head[26:30])
        stream.seek(name + extra, io.SEEK_CUR)
        data = stream.read(entry.deflated)
    if entry.method == DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.size + 1)
        except zlib.error:
            data = b""
    if len(data) != entry.size or zlib.crc32(data) != entry.crc:
        raise ReadError("an entry of the zip archive is damaged; copy it again", code="truncated")
    return data
