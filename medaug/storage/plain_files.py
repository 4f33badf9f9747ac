"""The one place where files are opened for reading: plain files only, never waiting, never more than was agreed.

A FIFO in place of a file would block for ever, a device has no end, and a link may lead out of what the user named. So
a path is looked at before it is opened, opened without waiting, and the open file itself is looked at once more:
nothing that is put there in between is read. `tests/system/test_opening.py` holds the package to it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

MAX_DOCUMENT = 64 << 20  # bytes of a JSON, YAML or text file that is read whole
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def open_plain(path: Path, *, follow: bool = True) -> BinaryIO:
    """A plain file, opened for reading.

    Args:
        path: of the file.
        follow: whether a link to a plain file will do: what a user names may be one, what a run wrote or an export
            holds is none.

    Raises:
        OSError: it isn't there or can't be opened; or, with errno EINVAL, EISDIR or ELOOP, it is a pipe, a device, a
            folder or a link. ``strerror`` says which, without the path.
    """
    _check(path.stat() if follow else path.lstat())
    try:
        descriptor = os.open(path, _FLAGS | (0 if follow else _NO_FOLLOW))
    except OSError as error:
        raise _a_link() if error.errno == errno.ELOOP else error from None
    try:
        _check(os.fstat(descriptor))
        return io.BufferedReader(io.FileIO(descriptor, "rb"))
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, most: int = MAX_DOCUMENT, *, follow: bool = True) -> bytes:
    """The bytes of a plain file.

    Args:
        path: of the file.
        most: bytes that it may have.
        follow: as for `open_plain`.

    Raises:
        OSError: as `open_plain`; or, with errno EFBIG, it has more than ``most`` bytes.
    """
    with open_plain(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes, and {most} are read at most")
        return file.read(size)


def read_document(path: Path, most: int = MAX_DOCUMENT, *, follow: bool = True) -> str:
    """The UTF-8 text of a plain file.

    Raises:
        OSError: as `read_plain`.
        UnicodeDecodeError: it is no UTF-8.
    """
    return read_plain(path, most, follow=follow).decode("utf-8")


def lines_of(path: Path, longest: int, *, follow: bool = True) -> Iterator[bytes]:
    """The lines of a plain file, each with its break, one in memory at a time.

    Raises:
        OSError: as `open_plain`; or, with errno EFBIG, a line has ``longest`` bytes or more.
    """
    with open_plain(path, follow=follow) as file:
        while line := file.readline(longest):
            if len(line) == longest:
                raise OSError(errno.EFBIG, f"a line has {longest} bytes or more")
            yield line


def text_of(file: BinaryIO, encoding: str = "utf-8") -> TextIO:
    """An open file as text, line breaks untouched; closing it closes the file."""
    return io.TextIOWrapper(file, encoding=encoding, newline="")


def sha256_of_plain(path: Path, *, follow: bool = True) -> str:
    """SHA-256 of a plain file; raises as `open_plain`."""
    with open_plain(path, follow=follow) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # BinaryIO is enough


def is_plain(path: Path, *, follow: bool = True) -> bool:
    """Whether a plain file is there."""
    try:
        _check(path.stat() if follow else path.lstat())
    except (OSError, ValueError):
        return False
    return True


def _check(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _a_link()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder lies where a file is expected")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a pipe, socket or device lies where a plain file is expected")


def _a_link() -> OSError:
    return OSError(errno.ELOOP, "a link lies where a file is expected")
