"""Solved images in a folder, one file each, for several epochs and several processes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medaug.imaging.volume import Stored
from medaug.storage.atomic import replace_file
from medaug.storage.plain_files import is_plain, read_plain

MAX_VOLUME = 4 << 30  # bytes of one


@dataclass(frozen=True)
class SolvedCache:
    """What `RandPosteriorSampled` solved, by the recipe's key.

    Attributes:
        folder: made when something is put there.
    """

    folder: Path

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and is_plain(self._path(key))

    def get(self, key: str) -> Stored | None:
        """The stored numbers; None for a variant that failed its checks."""
        solved: Stored = np.load(io.BytesIO(read_plain(self._path(key), MAX_VOLUME)), allow_pickle=False)
        return solved if solved.size else None

    def put(self, key: str, solved: Stored | None) -> None:
        """Keep the numbers, or that there are none.

        Raises:
            OutputError: the disk didn't take it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.save(content, np.zeros(0) if solved is None else solved, allow_pickle=False)
        replace_file(self._path(key), content.getvalue())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npy"
