"""An export out of object storage into a folder: every object once, checked, noted, and continued where it was cut."""

from __future__ import annotations

import errno
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from medaug.audit import segments
from medaug.errors import ArchiveError, OutputError
from medaug.object_storage.object_store import ObjectStore, StoredObject
from medaug.object_storage.place import is_safe
from medaug.storage.atomic import disk_errors, replace_file
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.disk_map import DiskMap
from medaug.storage.json_dataclass import decode
from medaug.storage.locks import locked
from medaug.storage.plain_files import is_plain, read_plain

EXPORT, PRIVATE = "export", "private"  # what `medaug run` is given; where it came from, for the owner
ARRIVALS, ASKED, LOCK = "arrivals", "asked.json", "lock"
MAX_ASKED = 1 << 16  # bytes
GB = 10**9
ENDING = {"archive-unreachable", "archive-credentials", "archive-refused"}


@dataclass(frozen=True)
class PulledObject:
    """One object that arrived.

    Attributes:
        name: below the prefix, and of the file below the export.
        etag: of its version in the store.
        size: in bytes.
        sha256: of the file.
        prev: digest of the line before.
    """

    name: str
    etag: str
    size: int
    sha256: str
    prev: str = ""


@dataclass
class Pulled:
    """What came of it.

    Attributes:
        files: that are there, those of earlier pulls included.
        before: of them, those that came before.
        bytes: of all.
        left_out: code → objects that aren't there as the store has them.
        why: code → a sentence of the first of them.
    """

    files: int = 0
    before: int = 0
    bytes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)

    def leave(self, error: ArchiveError) -> None:
        """Count an object that is left out."""
        self.left_out[error.code] += 1
        self.why.setdefault(error.code, str(error))


def pull(store: ObjectStore, folder: Path, most: float, on_file: Callable[[Pulled], object] = lambda _: None) -> Pulled:
    """Bring every object below a prefix into FOLDER/export, under its name; given again, it goes on.

    What arrived stays as it is: where the store has another version by now, or none, that is told.

    Args:
        store: the prefix.
        folder: new, or of an earlier pull of the same.
        most: gigabytes that the export may have.
        on_file: is told after each object how far it is.

    Raises:
        ArchiveError: the store can't be reached, or refuses as a whole; what has arrived stays.
        OutputError: the folder is something else's, the export is larger than ``most``, or the disk didn't take it.
    """
    with _opened(folder, store):
        return _Pull(store, folder, most).all(on_file)


class _Pull:
    """One pull: the store, the folder, and what arrived until now."""

    def __init__(self, store: ObjectStore, folder: Path, most: float) -> None:
        self._store, self._folder, self._most = store, folder, most
        self._arrived = DiskMap((quote(one.name), one) for one in _arrivals(folder))
        self._said = Pulled()

    def all(self, on_file: Callable[[Pulled], object]) -> Pulled:
        listed: DiskMap[None] = DiskMap()
        for one in self._store.listed():
            if one.name.endswith("/") and not one.size:
                continue  # a console's way to show a folder
            listed[quote(one.name)] = None
            try:
                self._object(one)
            except ArchiveError as error:
                if error.code in ENDING:
                    raise
                self._said.leave(error)
            on_file(self._said)
        for name in self._arrived:
            if name not in listed:
                self._said.leave(ArchiveError("an object that arrived isn't in the store any more", code="object-lost"))
        return self._said

    def _object(self, one: StoredObject) -> None:
        if not is_safe(one.name):
            raise ArchiveError("an object's name can't be a file's", code="object-name")
        path, before = self._folder / EXPORT / one.name, self._arrived.get(quote(one.name))
        if before is not None and is_plain(path, follow=False):
            if (before.etag, before.size) != (one.etag, one.size):
                what = "an object has another version since it arrived; the old one stays, pull into a new folder"
                raise ArchiveError(what, code="object-changed")
            self._said.before += 1
        else:
            self._bring(one, path)
        self._said.files += 1
        self._said.bytes += one.size

    def _bring(self, one: StoredObject, path: Path) -> None:
        if self._said.bytes + one.size > self._most * GB:
            what = f"FOLDER: the export has more than {self._most:g} GB"
            raise OutputError(f"{what}; allow more with --most, or pull a part of it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            inside = path.parent.resolve().is_relative_to((self._folder / EXPORT).resolve())
        except (FileExistsError, NotADirectoryError):
            inside = False
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            inside = False
        if not inside or path.is_dir():
            raise ArchiveError("an object is named as a folder of others", code="object-name")
        digest = hashlib.sha256()
        replace_file(path, self._hashed(one, digest.update))
        self._note(PulledObject(one.name, one.etag, one.size, digest.hexdigest()))

    def _hashed(self, one: StoredObject, update: Callable[[bytes], object]) -> Iterator[bytes]:
        for block in self._store.blocks(one):
            update(block)
            yield block

    def _note(self, one: PulledObject) -> None:
        segments.append(self._folder / PRIVATE, ARRIVALS, lambda prev: canonical(asdict(one) | {"prev": prev}))


@contextmanager
def _opened(folder: Path, store: ObjectStore) -> Iterator[None]:
    """The folder, made or continued, for one pull at a time."""
    private = folder / PRIVATE
    asked = {"bucket": store.place.bucket, "prefix": store.place.prefix}
    with disk_errors("FOLDER"):
        if folder.exists() and any(folder.iterdir()) and not private.is_dir():
            raise OutputError("FOLDER: it is not empty and no pull made it; give a new or an empty folder")
        private.mkdir(0o700, parents=True, exist_ok=True)
        with locked(private / LOCK):
            segments.mend(private)
            if not (private / ASKED).exists():
                replace_file(private / ASKED, (json.dumps(asked, indent=2) + "\n").encode())
            elif parse(read_plain(private / ASKED, MAX_ASKED, follow=False)) != asked:
                raise OutputError("FOLDER: it was filled from another place; give a new folder, or the same place")
            (folder / EXPORT).mkdir(exist_ok=True)
            yield


def _arrivals(folder: Path) -> Iterator[PulledObject]:
    path = folder / PRIVATE / f"{ARRIVALS}{segments.SUFFIX}"
    if not path.exists():
        return
    read = partial(decode, PulledObject, where="arrival")
    for number, line in enumerate(segments.readable(path), 1):
        if line.endswith(b"\n"):
            try:
                yield read(line[:-1])
            except ValueError:
                raise OutputError(f"FOLDER: line {number} of what arrived was edited or damaged") from None
