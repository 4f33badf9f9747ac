"""The files below a folder of annotations: those that can be opened, and what can't be looked into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Below:
    """What lies below a folder, in order.

    Attributes:
        files: regular files; a link to one counts.
        closed: folders that can't be read, links to folders, which are not followed, and what is no regular file.
    """

    files: tuple[Path, ...]
    closed: tuple[Path, ...]


def files_below(folder: Path) -> Below:
    """Everything below a folder. Unlike a glob, it says what it could not look into.

    Raises:
        OSError: the folder itself can't be read.
    """
    closed: list[Path] = []
    with os.scandir(folder):
        pass
    files = list(_walk(folder, closed))
    return Below(tuple(sorted(file for file in files if file.is_file())), tuple(sorted(closed)))


def _walk(folder: Path, closed: list[Path]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        closed.append(Path(error.filename))

    for base, folders, names in os.walk(folder, onerror=note):
        closed += [Path(base, name) for name in folders if Path(base, name).is_symlink()]
        files = [Path(base, name) for name in names]
        closed += [file for file in files if not file.is_file()]
        yield from files
