"""OUTPUT as the queue and the record: staged, flushed, made visible by one rename, then logged.

A unit is written in ``.staging/``, its files and folders are flushed to disk, one rename puts it under ``variants/``,
and its ledger line follows. Killed at any point, OUTPUT holds whole units only; a unit whose line is missing is logged
again when OUTPUT is next opened.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medaug.audit import ledger
from medaug.audit.durable import flush_folder, replace_file
from medaug.audit.record import Record
from medaug.errors import OutputError
from medaug.profile import Profile

FORMAT = "medaug-output"
VERSION = 1
WRITER = "local"  # of the ledger's segment
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


@dataclass(frozen=True)
class Store:
    """An OUTPUT folder that was checked and recovered by `open_store`.

    Attributes:
        root: OUTPUT.
        created: when the run was first started; the date of everything it writes, so that a resumed run ends with the
            same bytes.
    """

    root: Path
    created: datetime

    @property
    def ledger(self) -> Path:
        """The folder of the append-only record."""
        return self.root / ledger.FOLDER

    def folder(self, unit: str) -> Path:
        """Where a unit lies once it is committed."""
        return self.root / "variants" / unit[:16]

    def records(self) -> tuple[Record, ...]:
        """The decisive line of every unit, in the order of the unit keys."""
        return ledger.read(self.ledger)

    def log(self, record: Record, seconds: float) -> None:
        """Append one line: what became of a unit, and the wall time it took.

        Raises:
            OutputError: the disk didn't take it.
        """
        with disk_errors("the ledger"):
            ledger.append(self.ledger, WRITER, record, seconds)

    @contextmanager
    def staged(self, unit: str) -> Iterator[Path]:
        """A folder to write a unit into. It disappears unless `commit` moved it away.

        Raises:
            OutputError: the disk is full, read-only or broken.
        """
        folder = self.root / ".staging" / f"{unit[:16]}-{os.getpid()}"
        with disk_errors(f"unit {unit[:16]}"):
            try:
                folder.mkdir(parents=True)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def commit(self, staged: Path, record: Record, seconds: float) -> None:
        """Make a staged unit visible and log it. If another worker was first, this one's copy is dropped.

        Raises:
            OutputError: the disk didn't take it.
        """
        target = self.folder(record.unit)
        with disk_errors(f"unit {record.unit[:16]}"):
            (staged / "record.json").write_text(record.to_json() + "\n", encoding="utf-8")
            flush_tree(staged)
            target.parent.mkdir(exist_ok=True)
            try:
                staged.rename(target)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                return
            flush_folder(target.parent)
        self.log(record, seconds)


def open_store(root: Path, profile: Profile, now: datetime) -> Store:
    """Open OUTPUT, or make it; check that it belongs to this profile; put right what a killed run left.

    Raises:
        OutputError: OUTPUT is something else, another version's or another profile's, or can't be written.
    """
    with disk_errors("OUTPUT"):
        root.mkdir(parents=True, exist_ok=True)
        mark = root / "FORMAT.json"
        if not mark.exists():
            if any(root.iterdir()):
                raise OutputError("OUTPUT: the folder is not empty and no medaug output; give a new or an empty folder")
            replace_file(root / "profile.yaml", profile.to_yaml().encode())
            stamp = {"format": FORMAT, "version": VERSION, "created": now.isoformat()}
            replace_file(mark, (json.dumps(stamp, indent=2) + "\n").encode())
        created = _checked(mark, root / "profile.yaml", profile)
        for folder in ("variants", ledger.FOLDER):
            (root / folder).mkdir(exist_ok=True)
        shutil.rmtree(root / ".staging", ignore_errors=True)
    store = Store(root, created)
    _relog(store)
    return store


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn a full, read-only or broken disk into one sentence.

    Raises:
        OutputError: in place of such an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK or isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
            reason = os.strerror(error.errno or 0)
            raise OutputError(
                f"{what}: the disk did not take it ({reason}); nothing partial is visible. Free or grow the disk, then "
                "give the same command again: it continues"
            ) from error
        raise


def flush_tree(folder: Path) -> None:
    """Flush every file below ``folder``, and every folder, to disk."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _flush(Path(parent) / name)
        flush_folder(Path(parent))


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _checked(mark: Path, resolved: Path, profile: Profile) -> datetime:
    try:
        stamp = json.loads(mark.read_text(encoding="utf-8"))
        created = datetime.fromisoformat(stamp["created"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"OUTPUT: FORMAT.json is not readable ({error}); give a new folder") from None
    if stamp.get("format") != FORMAT or stamp.get("version") != VERSION:
        found = f"{stamp.get('format')} version {stamp.get('version')}"
        raise OutputError(f"OUTPUT: expected {FORMAT} version {VERSION}, found {found}; give a new folder")
    if not resolved.exists() or resolved.read_text(encoding="utf-8") != profile.to_yaml():
        raise OutputError(
            f"OUTPUT: it was made with another profile than {profile.name!r} as it is now (see its profile.yaml); "
            "give a new folder, or the same profile"
        )
    return created


def _relog(store: Store) -> None:
    """Log committed units that have no line: the run was killed between the rename and the line."""
    known = {record.unit for record in ledger.read(store.ledger) if record.status == "written"}
    for path in sorted((store.root / "variants").glob("*/record.json")):
        record = Record.from_json(path.read_text(encoding="utf-8"))
        if record.unit not in known:
            store.log(record, 0.0)
