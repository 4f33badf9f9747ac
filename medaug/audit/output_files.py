"""Which files of OUTPUT are results, and their digests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from medaug.audit.layout import NO_RESULTS
from medaug.errors import OutputError
from medaug.storage import archive
from medaug.storage.disk_map import DiskMap

THREADS = 4
AT_ONCE = 256  # files


@dataclass(frozen=True)
class OutputFiles:
    """What lies in OUTPUT, on disk: it may be a million files.

    Attributes:
        results: regular files that a seal covers, relative POSIX paths, sorted by their bytes.
        others: what is neither a regular file nor a folder, such as a link, sorted; nothing of a run's.
    """

    results: DiskMap[None]
    others: tuple[str, ...]


def take(root: Path, *, closed: list[str] | None = None) -> OutputFiles:
    """List OUTPUT. Links are not followed.

    Args:
        root: OUTPUT.
        closed: takes the folders that can't be listed, where that is no error.

    Raises:
        OutputError: a folder can't be listed.
    """
    others: list[str] = []
    return OutputFiles(DiskMap.of(_results(root, "", others, closed)), tuple(sorted(others)))


def _results(root: Path, folder: str, others: list[str], closed: list[str] | None) -> Iterator[str]:
    """Files below a folder, in no order; ``others`` takes what is none."""
    try:
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}{entry.name}"
                if name in NO_RESULTS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from _results(root, f"{name}/", others, closed)
                elif entry.is_file(follow_symlinks=False):
                    yield name
                else:
                    others.append(name)
    except OSError as error:
        if closed is not None:
            closed.append(folder)
            return
        raise OutputError(f"OUTPUT: a folder can't be listed ({error.strerror}); check its rights") from None


def digests(root: Path, names: Iterable[str], digest: Callable[[str], str] | None = None) -> Iterator[tuple[str, str]]:
    """Names and SHA-256 of files below ``root``, in the order of the names.

    Hashing goes on in several threads; few names and no file are in memory whole.

    Args:
        root: OUTPUT.
        names: of the files.
        digest: of a file by its name; of the one below ``root`` if left out.

    Raises:
        OutputError: a file can't be read.
    """
    left, of = iter(names), digest or (lambda name: sha256_of(root / name))
    with ThreadPoolExecutor(THREADS) as pool:
        while some := list(islice(left, AT_ONCE)):
            yield from zip(some, pool.map(of, some), strict=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OutputError: it can't be read.
    """
    try:
        return archive.sha256_of(path)
    except OSError as error:
        raise OutputError(f"OUTPUT: {path.name} can't be read ({error.strerror}); check the disk") from None
