"""Which files of OUTPUT are results, and their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medaug.errors import OutputError

SEAL = "seal.json"
# The queue's own state, and the ledger, which the seal holds by its heads. private/ holds a secret and is never listed.
APART = frozenset({"private", ".staging", "quarantine", "ledger"})
THREADS = 4


@dataclass(frozen=True)
class Inventory:
    """What lies in OUTPUT.

    Attributes:
        results: regular files that a seal covers, relative POSIX paths, sorted by their bytes.
        others: what is neither a regular file nor a folder, such as a link; nothing of a run's.
    """

    results: tuple[str, ...]
    others: tuple[str, ...]


def take(root: Path) -> Inventory:
    """List OUTPUT. Links are not followed.

    Raises:
        OutputError: a folder can't be listed.
    """
    results: list[str] = []
    others: list[str] = []
    pending = [root]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except OSError as error:
            raise OutputError(f"OUTPUT: a folder can't be listed ({error.strerror}); check its rights") from None
        for entry in entries:
            name = Path(entry.path).relative_to(root).as_posix()
            if name in APART or name == SEAL:
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                results.append(name)
            else:
                others.append(name)
    return Inventory(tuple(sorted(results, key=str.encode)), tuple(sorted(others)))


def digests(root: Path, names: Iterable[str]) -> Mapping[str, str]:
    """SHA-256 of files below ``root``; hashing goes on in several threads, a file is never in memory whole.

    Raises:
        OutputError: a file can't be read.
    """
    listed = list(names)
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip(listed, pool.map(lambda name: sha256_of(root / name), listed), strict=True))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        OutputError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OutputError(f"OUTPUT: {path.name} can't be read ({error.strerror}); check the disk") from None
