"""Where the files of an OUTPUT that is verified are: in a folder, or somewhere that units are brought from."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medaug.audit import output_files
from medaug.audit.output_files import OutputFiles
from medaug.errors import ReadError
from medaug.storage import archive


class Files(Protocol):
    """The files of one OUTPUT; it goes to other processes.

    Attributes:
        root: the folder in which all but units lie, and a unit while it is brought.
    """

    @property
    def root(self) -> Path:
        """See above."""

    def brought(self, folder: str, /) -> AbstractContextManager[None]:
        """The files of a unit, by its folder, lie below `root` meanwhile."""

    def take(self, closed: list[str], /) -> OutputFiles:
        """All files that a seal covers; ``closed`` takes the folders that can't be listed."""

    def digest(self, name: str, /) -> str:
        """SHA-256 of a file, ``""`` where it can't be read."""


@dataclass(frozen=True)
class OnDisk:
    """An OUTPUT that is a folder, see `Files`."""

    root: Path

    def brought(self, _: str) -> AbstractContextManager[None]:
        """They lie there."""
        return nullcontext()

    def take(self, closed: list[str]) -> OutputFiles:
        """By listing the folder."""
        return output_files.take(self.root, closed=closed)

    def digest(self, name: str) -> str:
        """Of the file."""
        return digest_of(self.root / name)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, ``""`` where it can't be read: what can't be read is as good as not there."""
    try:
        return archive.sha256_of(path)
    except (OSError, ReadError):
        return ""
