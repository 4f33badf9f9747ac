"""OUTPUT as the queue and the record: staged, flushed, made visible by one rename, then logged.

A unit is written in ``.staging/``, its files and folders are flushed to disk, one rename puts it under ``variants/``,
and its ledger line follows. Killed at any point, OUTPUT holds whole units only; a unit whose line is missing is logged
again when OUTPUT is next opened. Any number of processes may work on one OUTPUT.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from medaug.audit import layout, ledger
from medaug.audit.decisions import Decided, decided
from medaug.audit.ledger import Records
from medaug.audit.record import Record, RecordStatus
from medaug.execution.output import leases
from medaug.execution.output.leases import Lease
from medaug.imaging.volume import SourceRef
from medaug.storage.atomic import disk_errors, flush_file, flush_folder
from medaug.storage.disk_map import DiskMap
from medaug.storage.locks import locked
from medaug.storage.plain_files import is_plain, read_document

TOKEN_DIGITS = 16
FLUSHES = 8  # at once


@dataclass(frozen=True)
class Ended:
    """How units ended, as OUTPUT said at one look; others may commit meanwhile, so a worker asks `Store.holds` again.

    Attributes:
        statuses: unit → status of its decisive line.
        folders: names below variants/.
        decided: what was said of units.
    """

    statuses: DiskMap[RecordStatus]
    folders: DiskMap[None]
    decided: Decided

    def get(self, unit: str) -> RecordStatus | None:
        """How a unit ended; None where it is to be done, or done again."""
        status = self.statuses.get(unit)
        return status if status and self._stands(unit, status) else None

    def items(self) -> Iterator[tuple[str, RecordStatus]]:
        """Units and how they ended, in the order of their keys."""
        return ((unit, status) for unit, status in self.statuses.items() if self._stands(unit, status))

    def _stands(self, unit: str, status: RecordStatus) -> bool:
        """False where the folder of a written unit was removed since, unless a decision rejected it."""
        if status != "written" or unit[: layout.UNIT_DIGITS] in self.folders:
            return True
        words = self.decided.get(unit)
        return words is not None and words.verdict == "rejected"


@dataclass(frozen=True)
class Store:
    """An OUTPUT folder that was checked by `opening.open_store`.

    Attributes:
        root: OUTPUT.
        created: when the run was first started; the date of everything it writes, so that a resumed run ends with the
            same bytes.
        run: the run's public name, 16 hex digits; it enters every new UID.
        worker: this process's name.
        secret: 32 bytes from private/key; they make patient tokens.
    """

    root: Path
    created: datetime
    run: str
    worker: str
    secret: bytes = field(repr=False)

    @property
    def ledger(self) -> Path:
        """The folder of the append-only record."""
        return self.root / layout.LEDGER

    @property
    def staging(self) -> Path:
        """Work that isn't done yet."""
        return self.root / layout.STAGING

    def folder(self, unit: str) -> Path:
        """Where a unit lies once it is committed."""
        return self.root / layout.unit_folder(unit)

    def holds(self, unit: str) -> bool:
        """True when the unit is committed."""
        return is_plain(self.folder(unit) / layout.RECORD, follow=False)

    def record_of(self, unit: str) -> Record:
        """The record of a committed unit."""
        return Record.from_json(read_document(self.folder(unit) / layout.RECORD, follow=False))

    def records(self, units: Container[str] | None = None) -> Records:
        """The decisive line of every unit, or of these, on disk, in the order of the unit keys."""
        return ledger.shelved(self.ledger, units)

    def look(self) -> Ended:
        """How units ended until now; reads the whole ledger, and changes nothing."""
        return Ended(ledger.outcomes(self.ledger), self._folders(), decided(self.ledger))

    def _folders(self) -> DiskMap[None]:
        try:
            with os.scandir(self.root / layout.VARIANTS) as entries:
                return DiskMap.of(entry.name for entry in entries)
        except FileNotFoundError:
            return DiskMap()  # no run made it yet

    def token(self, reference: SourceRef) -> str:
        """A patient's name in this OUTPUT: the same for all sources of one patient, and of no use elsewhere."""
        return keyed(self.secret, reference.patient or reference.key)

    def log(self, record: Record, seconds: float) -> None:
        """Append one line: what became of a unit, and the wall time it took.

        Raises:
            OutputError: the disk didn't take it.
        """
        with disk_errors("the ledger"):
            ledger.append(self.ledger, self.worker, record, seconds)

    def lease(self, unit: str) -> AbstractContextManager[Lease | None]:
        """Take a unit for as long as the context lasts; None when another worker has it.

        Raises:
            OSError: see `leases.lease`.
        """
        return leases.lease(self.staging, unit, self.worker)

    def complete(self, staged: Path, record: Record) -> None:
        """Lay its record beside a staged unit's files, and flush all of them to disk; nothing is visible yet.

        Raises:
            OutputError: the disk didn't take it.
        """
        with disk_errors(f"unit {record.unit[: layout.UNIT_DIGITS]}"):
            (staged / layout.RECORD).write_text(record.to_json() + "\n", encoding="utf-8")
            flush_tree(staged)

    def publish(self, staged: Path, record: Record, seconds: float) -> None:
        """The second half of a commit: make a complete unit visible, and log it. Where another was first, drop it.

        Raises:
            OutputError: the disk didn't take it.
        """
        with disk_errors(f"unit {record.unit[: layout.UNIT_DIGITS]}"), self.sharing():
            if rename_durably(staged, self.folder(record.unit)):
                self.log(record, seconds)

    def sharing(self) -> AbstractContextManager[None]:
        """Held around rename and line, so that nobody who holds it `alone` sees one without the other."""
        return locked(self.staging / leases.LOCK, shared=True)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody commits, opens or lists meanwhile."""
        self.staging.mkdir(exist_ok=True)
        return locked(self.staging / leases.LOCK)

    def relog(self, ended: Ended) -> None:
        """Log committed units that have no line: a run was killed between the rename and the line.

        Call it `alone`, with what a look saw meanwhile; what is logged is noted there.

        Raises:
            OutputError: the disk didn't take it.
        """
        logged = DiskMap.of(unit[: layout.UNIT_DIGITS] for unit, how in ended.statuses.items() if how == "written")
        for name in ended.folders:
            if name not in logged and self.holds(name):
                record = self.record_of(name)
                self.log(record, 0.0)
                ended.statuses[record.unit] = "written"


def rename_durably(staged: Path, target: Path) -> bool:
    """The commit point: one rename, made durable. False when ``target`` was there already."""
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        return False
    flush_folder(target.parent)
    return True


def keyed(secret: bytes, name: str) -> str:
    """A name that only the owner of the secret could have made: HMAC-SHA256 (RFC 2104), cut to 16 hex digits."""
    return hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()[:TOKEN_DIGITS]


def file_name(secret: bytes, name: str) -> str:
    """A source file's relative name as lists hold it: of use to the owner of the secret only."""
    return keyed(secret, f"file\n{name}")


def flush_tree(folder: Path) -> None:
    """Flush every file below ``folder``, and every folder, to disk.

    All at once: the file system then writes its journal once or twice and not for each (12 files: 102 ms one by one,
    20 ms together). No name outside is durable before, so their order among themselves doesn't matter.
    """
    inside = [(Path(parent), names) for parent, _, names in os.walk(folder)]
    calls = [partial(flush_folder, parent) for parent, _ in inside]
    calls += [partial(flush_file, parent / name) for parent, names in inside for name in names]
    with ThreadPoolExecutor(FLUSHES) as pool:  # one for each call: threads don't outlive a fork
        for flushed in [pool.submit(call) for call in calls]:
            flushed.result()
