"""An OUTPUT that lies in object storage, as `verification` reads it: one unit at a time is on this disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from medaug.audit import layout
from medaug.audit.output_files import OutputFiles
from medaug.errors import ArchiveError
from medaug.object_storage.object_store import ObjectStore, StoredObject
from medaug.object_storage.place import Prefix, is_safe
from medaug.storage.archive import sha256_of
from medaug.storage.disk_map import DiskMap

MOST = 2**36  # bytes of a unit, or of what isn't a unit's: lists and ledger of ten million


class StoredOutput:
    """An OUTPUT below a prefix, and a folder that holds as much of it as is looked at.

    Args:
        store: the prefix.
        root: the folder; what isn't a unit's lies there, and a unit while it is read.
    """

    def __init__(self, store: ObjectStore, root: Path) -> None:
        self._store, self.root = store, root

    @contextmanager
    def brought(self, folder: str) -> Iterator[None]:
        """A unit's files lie below `root` meanwhile.

        Raises:
            ArchiveError: an object changed while it was read, or the store can't be reached.
        """
        if not (folder.startswith(f"{layout.VARIANTS}/") and is_safe(folder)):
            yield  # a record that leads elsewhere finds nothing there
            return
        try:
            _bring(self._store.listed(f"{folder}/"), self._store, self.root)
            yield
        finally:
            shutil.rmtree(self.root / folder, ignore_errors=True)
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def take(self, _: list[str]) -> OutputFiles:
        """What a seal covers, and what no file of an OUTPUT is named like."""
        results, others = DiskMap[None](), list[str]()
        for one in self._store.listed():
            if one.name.split("/")[0] in layout.NO_RESULTS:
                continue
            if is_safe(one.name) and one.name.isascii():
                results[one.name] = None
            else:
                others.append(ascii(one.name)[1:-1])
        return OutputFiles(results, tuple(sorted(others)))

    def digest(self, name: str) -> str:
        """SHA-256 of a file by its name; ``""`` where there is none."""
        path = self.root / name
        if path.is_file():
            return sha256_of(path)
        stored = self._store.find(name)
        return self._store.digest(stored) if stored else ""


@contextmanager
def opened(place: Prefix) -> Iterator[StoredOutput]:
    """An OUTPUT in object storage; what isn't a unit's is brought into a folder for temporary files.

    Raises:
        ArchiveError: the store can't be reached, refuses, or holds too much beside its units.
    """
    with ObjectStore(place) as store, TemporaryDirectory(prefix="medaug-verify-") as folder:
        root = Path(folder)
        _bring(_beside_units(store, root), store, root)
        yield StoredOutput(store, root)


def _beside_units(store: ObjectStore, root: Path) -> Iterator[StoredObject]:
    """All objects but those of units, whose folders are made."""
    for one in store.listed():
        parts = one.name.split("/")
        if parts[0] != layout.VARIANTS:
            if parts[0] not in layout.NO_RESULTS - {layout.LEDGER, layout.SEAL, layout.ANCHOR}:
                yield one
        elif len(parts) > 2 and is_safe(one.name):  # a removed unit is told by its folder
            (root / parts[0] / parts[1]).mkdir(parents=True, exist_ok=True)


def _bring(objects: Iterator[StoredObject], store: ObjectStore, root: Path) -> None:
    total = 0
    for one in objects:
        total += one.size
        if total > MOST:
            raise ArchiveError("a unit, or the lists, are larger than any that a run writes", code="object-size")
        path = root / one.name
        if not is_safe(one.name) or path.is_dir() or any(above.is_file() for above in path.parents if above != root):
            continue  # listed as none of a run's
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for block in store.blocks(one):
                file.write(block)
