"""An OUTPUT into object storage: units whole, the ledger after them, the seal last; nothing is ever overwritten.

Object storage has no rename. A unit is there when its record.json is, which is put after its files; OUTPUT as a whole
is there when its seal is, which comes last of all. Every object is created by a conditional request and never touched
again, so a push that was killed goes on with the same bytes, and of two pushes of different runs one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from medaug.audit import layout, output_files
from medaug.audit.merkle import files_root
from medaug.audit.record import Record
from medaug.audit.seal import Sealed, read_seal
from medaug.audit.segments import all_segments, head
from medaug.errors import ArchiveError, OutputError, counted
from medaug.object_storage.object_store import ObjectStore
from medaug.storage.disk_map import DiskMap, Reiterable
from medaug.storage.plain_files import is_plain, read_document, sha256_of_plain

AT_ONCE = 8  # files of a unit


@dataclass
class Pushed:
    """What came of it.

    Attributes:
        units: that are in the store, those of earlier pushes included.
        before: of them, those that were there before.
        files: that this push put.
        sealed: whether the seal is there, too, and with it OUTPUT as a whole.
    """

    units: int = 0
    before: int = 0
    files: int = 0
    sealed: bool = False


def push(output: Path, store: ObjectStore, on_unit: Callable[[Pushed], object] = lambda _: None) -> Pushed:
    """Put what an OUTPUT holds by now; given again, it goes on, also while the run does.

    Args:
        output: OUTPUT; ``private/``, ``quarantine/`` and what isn't done stay behind.
        store: a prefix that holds nothing, or what an earlier push of the same OUTPUT put.
        on_unit: is told after each unit how far it is.

    Raises:
        OutputError: this is no OUTPUT, or its files aren't those of its records or its seal.
        ArchiveError: ``object-taken``, something else lies there; ``store-conditional``, the store overwrites; or it
            can't be reached, or refuses.
    """
    try:
        known = layout.is_known(layout.read_format(output))
    except (OSError, ValueError):
        known = False
    if not known:
        raise OutputError("OUTPUT: expected a folder that this version's `medaug run` made")
    return _Push(output, store).all(on_unit)


class _Push:
    """One push: what is put, where, and what it was."""

    def __init__(self, output: Path, store: ObjectStore) -> None:
        self._root, self._store = output, store
        self._digests: DiskMap[str] = DiskMap()
        self._said = Pushed()

    def all(self, on_unit: Callable[[Pushed], object]) -> Pushed:
        listed = output_files.take(self._root)
        if listed.others:
            raise OutputError(f"OUTPUT: {counted(len(listed.others), 'link')} or the like among its files; verify it")
        self._claim()
        below = (name for name in listed.results if name.startswith(f"{layout.VARIANTS}/"))
        for folder, names in groupby(below, key=lambda name: "/".join(name.split("/")[:2])):
            self._unit(folder, list(names))
            on_unit(self._said)
        sealed = self._sealed()
        if sealed is not None:
            self._whole(sealed, [name for name in listed.results if "/" not in name])
        return self._said

    def _claim(self) -> None:
        """FORMAT.json says whose prefix this is, and that the store creates without overwriting."""
        if self._store.find(layout.FORMAT) is None and next(self._store.listed(), None) is not None:
            raise ArchiveError("something else lies below this prefix; give an empty one", code="object-taken")
        self._put(layout.FORMAT)
        if self._store.create(layout.FORMAT, self._root / layout.FORMAT, self._digest(layout.FORMAT)):
            raise ArchiveError(
                "the store overwrites where it is asked to create (If-None-Match: *), so two writers could undo each "
                "other's work; push to one that knows conditional requests",
                code="store-conditional",
            )

    def _unit(self, folder: str, names: list[str]) -> None:
        """A unit's files, then its record."""
        own = f"{folder}/{layout.RECORD}"
        stated = {output.path: output.sha256 for output in self._record(own).outputs}
        there = self._store.find(own)
        if there is not None and there.sha256 == self._digest(own):
            self._said.before += 1
            for name in names:
                self._digests[name] = stated.get(name) or self._digest(name)
        else:
            others = sorted({*names} - {own})
            with ThreadPoolExecutor(AT_ONCE) as pool:
                made = pool.map(lambda name: self._create(name, stated.get(name, "")), others)
                for name, (sha256, created) in zip(others, made, strict=True):
                    self._digests[name] = sha256
                    self._said.files += created
            self._digests[own] = self._put(own)
        self._said.units += 1

    def _record(self, name: str) -> Record:
        try:
            return Record.from_json(read_document(self._root / name, follow=False))
        except (OSError, ValueError):
            raise OutputError("OUTPUT: a unit's record can't be read; verify it, and push what is sound") from None

    def _sealed(self) -> Sealed | None:
        """The seal, where it is of the ledger as it is now; None while a run is on, or before it ends."""
        try:
            sealed = read_seal(self._root)
        except (OSError, ValueError):
            return None
        return sealed if sealed.segments == tuple(map(head, self._segments())) else None

    def _segments(self) -> tuple[Path, ...]:
        return all_segments(self._root / layout.LEDGER)

    def _whole(self, sealed: Sealed, tops: Iterable[str]) -> None:
        """The ledger, the lists, and last the seal, if these are the files that were sealed."""
        for name in tops:
            self._digests[name] = self._digest(name)
        digests = Reiterable(self._digests.items)
        if (files_root(digests), len(digests)) != (sealed.root, sealed.files):
            raise OutputError("OUTPUT: its files aren't those of its seal; let the run end, or verify it")
        for path in self._segments():
            self._put(f"{layout.LEDGER}/{path.name}")
        for name in tops:
            self._put(name, self._digests.get(name) or "")
        if is_plain(self._root / layout.ANCHOR, follow=False):
            self._put(layout.ANCHOR)
        self._put(layout.SEAL)
        self._said.sealed = True

    def _put(self, name: str, stated: str = "") -> str:
        """`_create`, counted; the file's digest."""
        sha256, created = self._create(name, stated)
        self._said.files += created
        return sha256

    def _create(self, name: str, stated: str) -> tuple[str, bool]:
        """Create an object, or find the same one there: the file's digest, and whether it is new."""
        sha256 = self._digest(name)
        if stated not in {"", sha256}:
            raise OutputError("OUTPUT: a file isn't what its record or seal says; verify it")
        try:
            created = self._store.create(name, self._root / name, sha256)
        except OSError as error:
            raise _unread(error) from None
        if not created and not self._is(name, sha256):
            raise ArchiveError(
                "something else lies in the place of a file of this OUTPUT: another run's, or an earlier state of this "
                "one; give an empty prefix",
                code="object-taken",
            )
        return sha256, created

    def _digest(self, name: str) -> str:
        try:
            return sha256_of_plain(self._root / name, follow=False)
        except OSError as error:
            raise _unread(error) from None

    def _is(self, name: str, sha256: str) -> bool:
        """Whether an object is the file with this digest: as it says, or as its bytes do where it says nothing."""
        there = self._store.find(name)
        return there is not None and sha256 == (there.sha256 or self._store.digest(there))


def _unread(error: OSError) -> OutputError:
    return OutputError(f"OUTPUT: a file can't be read ({error.strerror}); verify it")
