"""The folder that a fetch fills: what `run` may read, what is on its way, and what is the owner's.

    images/STUDY/SERIES/INSTANCE.dcm        for `medaug run FOLDER/images`
    annotations/KIND/INSTANCE.dcm           for `--annotations`; KIND is seg, rtstruct or sr
    .incoming/SERIES/INSTANCE.dcm           series that aren't whole yet
    private/key, fetch.json, arrivals.jsonl the secret, what was asked, and which is which: the map, never handed on

Names are 16 hex digits by the key. A series is there whole or not at all.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medaug.audit import segments
from medaug.errors import OutputError
from medaug.pacs.archive import InstanceFound
from medaug.storage.atomic import disk_errors, flush_folder, replace_file, write_secret
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.json_dataclass import decode
from medaug.storage.locks import locked
from medaug.storage.plain_files import read_plain, sha256_of_plain

IMAGES, ANNOTATIONS, INCOMING, PRIVATE = "images", "annotations", ".incoming", "private"
KEY, ASKED, LOCK, ARRIVALS = "key", "fetch.json", "lock", "arrivals"
KEY_BYTES = 32
MAX_ASKED = 1 << 16  # bytes


@dataclass(frozen=True)
class Asked:
    """What must be the same in every fetch into one folder.

    Attributes:
        archive: its address, as given.
        deidentify: the profile with its options, or "".
    """

    archive: str
    deidentify: str


@dataclass(frozen=True)
class Arrival:
    """One instance that arrived, under the archive's names and under those that it has in the folder.

    Attributes:
        study: Study Instance UID in the archive.
        series: Series Instance UID there.
        instance: SOP Instance UID there.
        uids: the three as they are in the file.
        file: relative to the folder, POSIX.
        sha256: of the file.
        prev: digest of the line before.
    """

    study: str
    series: str
    instance: str
    uids: tuple[str, str, str]
    file: str
    sha256: str
    prev: str = ""


class FetchFolder:
    """A folder that is open for one fetch.

    Args:
        root: of it.
        secret: its key.
    """

    def __init__(self, root: Path, secret: bytes) -> None:
        self.root, self.secret = root, secret

    def arrivals(self) -> Iterator[Arrival]:
        """What arrived, in order.

        Raises:
            OutputError: a line was edited or damaged.
        """
        return arrivals(self.root)

    def holds(self, place: str, series: str, name: str) -> bool:
        """Whether an image came before the fetch was cut: into its place, or on its way to it."""
        return (self.root / place / name).exists() or (self.root / INCOMING / series / name).exists()

    def put(self, series: str, name: str, data: bytes) -> None:
        """Write an image of a series that isn't whole yet."""
        self.put_at(f"{INCOMING}/{series}", name, data)

    def put_at(self, place: str, name: str, data: bytes) -> None:
        """Write a file, durably, under its name or not at all.

        Raises:
            OutputError: the disk didn't take it.
        """
        with disk_errors(place):
            (self.root / place).mkdir(parents=True, exist_ok=True)
        replace_file(self.root / place / name, data)

    def deliver(self, series: str, place: str) -> None:
        """Give a whole series its place in one step; once more does no harm.

        Args:
            series: its name in `INCOMING`.
            place: relative to the folder, POSIX.
        """
        source, target = self.root / INCOMING / series, self.root / place
        with disk_errors(place):
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir() and not target.is_dir():
                source.rename(target)
                flush_folder(target.parent)

    def drop(self, series: str) -> None:
        """Leave nothing of a series that may not be handed over."""
        shutil.rmtree(self.root / INCOMING / series, ignore_errors=True)

    def note(self, arrived: Iterable[Arrival]) -> None:
        """Add arrivals, all of them or none, flushed to disk.

        Raises:
            OutputError: the disk didn't take it.
        """

        def spelled(one: Arrival) -> Any:
            return lambda prev: canonical(asdict(one) | {"prev": prev})

        segments.append(self.root / PRIVATE, ARRIVALS, *map(spelled, arrived))

    def arrival(self, found: InstanceFound, uids: tuple[str, str, str], file: str) -> Arrival:
        """What to note of an instance whose file is in its place."""
        return Arrival(found.study, found.series, found.instance, uids, file, sha256_of_plain(self.root / file))


@contextmanager
def opened(root: Path, asked: Asked, key: Path | None = None) -> Iterator[FetchFolder]:
    """Open a folder, or make it, for one fetch at a time.

    Args:
        root: of it.
        asked: as in the fetches before.
        key: the secret of a new folder; drawn at random where left out.

    Raises:
        OutputError: it is something else's, was filled from another archive or with another profile, or can't be
            written.
    """
    private = root / PRIVATE
    with disk_errors("FOLDER"):
        if root.exists() and any(root.iterdir()) and not private.is_dir():
            raise OutputError("FOLDER: it is not empty and no fetch made it; give a new or an empty folder")
        private.mkdir(0o700, parents=True, exist_ok=True)
        with locked(private / LOCK):
            segments.mend(private)
            secret = _secret(private, key)
            _same(root, asked)
            yield FetchFolder(root, secret)


def asked_of(root: Path) -> Asked:
    """What a folder was filled with.

    Raises:
        OutputError: no fetch made it.
    """
    try:
        found: Asked = decode(Asked, read_plain(root / PRIVATE / ASKED, MAX_ASKED, follow=False), ASKED)
    except (OSError, ValueError):
        raise OutputError("FOLDER: no fetch made it; give the folder that `medaug fetch` filled") from None
    return found


def arrivals(root: Path) -> Iterator[Arrival]:
    """The arrivals of a folder; raises as `FetchFolder.arrivals`."""
    path = root / PRIVATE / f"{ARRIVALS}{segments.SUFFIX}"
    if not path.exists():
        return
    for number, line in enumerate(segments.readable(path), 1):
        if line.endswith(b"\n"):
            try:
                yield decode(Arrival, line[:-1], "arrival")
            except ValueError:
                raise OutputError(f"FOLDER: line {number} of what arrived was edited or damaged") from None


def _secret(private: Path, key: Path | None) -> bytes:
    given = _read_key(key) if key else None
    if not (private / KEY).exists():
        write_secret(private / KEY, given or secrets.token_bytes(KEY_BYTES))
    secret = _read_key(private / KEY)
    if given is not None and given != secret:
        raise OutputError("FOLDER: it was filled with another key; leave the key out, it is kept there")
    return secret


def _read_key(path: Path) -> bytes:
    secret = read_plain(path, MAX_ASKED)
    if len(secret) != KEY_BYTES:
        raise OutputError(
            f"key: expected {KEY_BYTES} bytes, found {len(secret)}; make one with: head -c 32 /dev/urandom > FILE"
        )
    return secret


def _same(root: Path, asked: Asked) -> None:
    """Into a folder where nothing has its place yet anything may be fetched; what was on its way goes."""
    path = root / PRIVATE / ASKED
    if path.exists():
        if parse(read_plain(path, MAX_ASKED, follow=False)) == asdict(asked):
            return
        if next(arrivals(root), None) is not None or (root / IMAGES).exists():
            raise OutputError(
                "FOLDER: it was filled from another archive, or with another --deidentify; give a new folder, or the "
                "same"
            )
        shutil.rmtree(root / INCOMING, ignore_errors=True)
    replace_file(path, (json.dumps(asdict(asked), indent=2) + "\n").encode())
