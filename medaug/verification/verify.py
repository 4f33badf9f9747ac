"""`medaug verify`: everything about an OUTPUT that can be checked, each fault by its code."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from medaug.audit import layout, ledger, output_files
from medaug.audit.listed import Choice
from medaug.audit.record import Record
from medaug.errors import OutputError, ProfileError, ReadError, counted
from medaug.formats.registry import REGIONS
from medaug.profile.components import LawKind, generates, keeps_boxes, moves, transplants
from medaug.profile.digest import profile_digest
from medaug.profile.load import parse_profile_keys
from medaug.storage import archive
from medaug.storage.disk_map import DiskMap, Reiterable
from medaug.storage.plain_files import read_document
from medaug.verification import run_level
from medaug.verification.decision_words import check_decisions
from medaug.verification.derivation import Statement, can_be_made_again, statement_of
from medaug.verification.faults import Fault
from medaug.verification.list_entries import check_lists
from medaug.verification.output_location import Files, OnDisk, digest_of
from medaug.verification.records import (
    check_gate,
    check_kind,
    check_labels,
    check_moved,
    check_record,
    check_transplanted,
)
from medaug.verification.unit_check import Findings, UnitCheck
from medaug.verification.unit_files import check_unit

THREADS = 4
AT_ONCE = 256  # files
CHUNK = 4  # units handed to a process at once


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        faults: sorted; empty for a sound OUTPUT.
        units: written units that were looked at.
        files: results that were looked at.
        compared: protected voxels that were compared with the source.
        signed: True when the given key's owner signed the seal.
        unchecked: sentences about what was not checked, and how it can be.
    """

    faults: tuple[Fault, ...]
    units: int
    files: int
    compared: int
    signed: bool
    unchecked: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """True when nothing is wrong with what was checked."""
        return not self.faults


def verify(
    output: Path | Files,
    *,
    source: Path | None = None,
    public_key: Path | None = None,
    anchor: Path | None = None,
    workers: int = 1,
    on_unit: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Check an OUTPUT from its files alone. Nothing is written in it; memory holds one record and one image per worker.

    Args:
        output: OUTPUT; or where its files are, if that is no folder.
        source: what it was made from; its files are found by their digests, whatever their names. With it, every
            protected voxel is compared with the source's stored value; where a lesion was set in, with its donor's.
        public_key: the key that must have signed the seal. None that lies beside the data is ever used.
        anchor: what somebody else stated of the newest seal, see `audit.anchor`; it shows an older state put back.
        workers: processes that read images.
        on_unit: called with (done, total) after each unit.

    Raises:
        OutputError: OUTPUT or the key can't be read.
        ReadError: there is no such source.
    """
    files = OnDisk(output) if isinstance(output, Path) else output
    root = files.root
    faults = [*run_level.check_format(root)]
    if faults:
        return Verdict(tuple(faults), 0, 0, 0, False, ("everything else: the format is unknown",))
    faults += run_level.check_chain(root)
    try:
        records = ledger.shelved(root / layout.LEDGER)
        choice = Choice.of(root, damaged=True)
    except OutputError:
        return Verdict(tuple(faults), 0, 0, 0, False, ("everything else: the ledger is damaged",))
    written = Reiterable(lambda: (record for record in records if record.status == "written"))
    profile, problems = _profile(root)
    faults += problems
    said = statement_of(root)
    for record in records:
        faults += check_record(record, profile.sha256)
        faults += _against_law(record, profile)
        if said and can_be_made_again(record):
            faults += check_gate(record, {str(name): limit for name, limit in said.profile.checks.items()})
    alike = said.profile if said and all(map(can_be_made_again, records)) else None
    faults += [*check_decisions(records, choice), *check_lists(root, choice.through(records), alike)]
    there = Reiterable(lambda: (record for record in written if not choice.gone(record)))
    checks = _checks(root, there, source, said, keeps_boxes=profile.keeps_boxes)
    digests, problems, compared = _read_units(files, checks, len(there), workers, on_unit)
    faults += [*problems, *run_level.check_anchor(root, anchor)]
    problems, signed, count = _check_files(files, there, digests, public_key)
    unchecked = _unchecked(there, source, public_key, said, keeps_boxes=profile.keeps_boxes)
    removed = len(written) - len(there)
    unchecked += (f"files of {counted(removed, 'unit')}: a decision removed them",) if removed else ()
    return Verdict(tuple(sorted({*faults, *problems})), len(there), count, compared, signed, unchecked)


def _check_files(
    files: Files, written: Iterable[Record], read: DiskMap[str], public_key: Path | None
) -> tuple[tuple[Fault, ...], bool, int]:
    """The set of files and the seal. Gives the faults, whether the key's owner signed, and the number of results.

    Args:
        files: of OUTPUT.
        written: records of written units.
        read: digests of the files that were read before.
        public_key: as given.
    """
    closed: list[str] = []
    root, listed = files.root, files.take(closed)
    faults = [*run_level.check_variants(listed.results, listed.others, written)]
    faults += run_level.check_places(listed.results)
    faults += [Fault("unreadable", "a folder can't be listed", name.rstrip("/")) for name in closed]
    unread = (name for name in listed.results if name not in read)
    for name, digest in output_files.digests(root, unread, files.digest):
        read[name] = digest
        if not digest:
            faults.append(Fault("unreadable", "a file can't be read", name))
    digests = Reiterable(lambda: ((name, digest) for name, digest in read.items() if name in listed.results))
    sealed, problems = run_level.open_seal(root)
    signature: list[Fault] = []
    if sealed:
        signature += run_level.check_signature(sealed, public_key) if public_key else []
        faults += [*run_level.check_sealed_ledger(root, sealed), *run_level.check_sealed_files(sealed, digests)]
    signed = bool(sealed and public_key and not signature)
    return (*faults, *problems, *signature), signed, len(digests)


def find_files(folder: Path, wanted: Iterable[str]) -> DiskMap[Path]:
    """Files below a folder by their SHA-256, as far as they are wanted. Links are not followed; names don't matter.

    Raises:
        ReadError: there is no such folder.
    """
    digests, found = DiskMap.of(wanted), DiskMap[Path]()
    paths = regular_files(folder)
    with ThreadPoolExecutor(THREADS) as pool:
        while some := list(islice(paths, AT_ONCE)):
            for path, digest in zip(some, pool.map(digest_of, some), strict=True):
                if digest in digests:
                    found[digest] = path
    return found


def regular_files(folder: Path) -> Iterator[Path]:
    """Regular files below a folder, or the file itself; those in a zip archive, too.

    Raises:
        ReadError: there is nothing of that name.
    """
    if not folder.exists():
        raise ReadError("source: no such file or folder", code="no-input")
    if folder.is_file():
        yield from _with_members(folder.resolve())
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield from _with_members(path)


def _with_members(path: Path) -> Iterator[Path]:
    """The file itself and, of an archive, the files in it."""
    yield path
    try:
        if archive.is_archive(path):
            yield from (member for member in archive.members(path) if isinstance(member, Path))
    except (OSError, ReadError):
        return  # what can't be read is as good as not there


@dataclass(frozen=True)
class _Choices:
    """What is needed of profile.yaml; its other keys may be another version's."""

    sha256: str | None
    keeps_boxes: bool
    moves: bool | None
    transplants: bool | None = None
    generates: bool = True


def _against_law(record: Record, profile: _Choices) -> Iterator[Fault]:
    """What a record says otherwise than the profile's law; nothing where this version doesn't know it."""
    if profile.moves is None:
        return
    yield from check_moved(record, moves=profile.moves)
    yield from check_transplanted(record, transplants=bool(profile.transplants))
    yield from check_labels(record, keeps_boxes=profile.keeps_boxes)
    yield from check_kind(record, generates=profile.generates)


def _profile(root: Path) -> tuple[_Choices, tuple[Fault, ...]]:
    try:
        keys = parse_profile_keys(
            read_document(root / layout.PROFILE, layout.MAX_PROFILE, follow=False), layout.PROFILE
        )
        digest, law = profile_digest(keys), keys["regions"]["kind"]
    except (ProfileError, OSError, ValueError, KeyError, TypeError):
        return _Choices(None, True, None), (Fault("profile-differs", "it can't be read as a profile", layout.PROFILE),)
    if law not in get_args(LawKind):
        unknown = f"this version doesn't know the law {law!r:.40}, so boxes are taken for kept"
        return _Choices(digest, True, None), (Fault("profile-differs", unknown, layout.PROFILE),)
    return _Choices(digest, keeps_boxes(law), moves(law), transplants(law), generates(law)), ()


def _checks(
    root: Path, written: Iterable[Record], source: Path | None, said: Statement | None, *, keeps_boxes: bool
) -> Iterator[UnitCheck]:
    files: DiskMap[Path] = DiskMap()
    if source is not None:
        files = find_files(source, (sha for record in written for shown in record.shown for sha in shown.sha256))
    for record in written:
        paths = None if source is None else tuple(files.get(digest) for digest in record.source.sha256)
        made = record.transplant
        donor = files.get(made.donor.sha256[0]) if made else None
        yield UnitCheck(root, record, paths, keeps_boxes, said, donor)


def _read_units(
    files: Files, checks: Iterator[UnitCheck], total: int, workers: int, on_unit: Callable[[int, int], None] | None
) -> tuple[DiskMap[str], tuple[Fault, ...], int]:
    """Digests, faults and compared voxels of all units; UIDs are compared across them."""
    digests: DiskMap[str] = DiskMap()
    faults: list[Fault] = []
    compared = 0
    instances: DiskMap[int] = DiskMap()
    series: DiskMap[int] = DiskMap()
    for done, found in enumerate(_checked(files, checks, total, workers), 1):
        faults += found.faults
        compared += found.compared
        for name, digest in found.digests.items():
            digests[name] = digest
        for counts, uids in ((instances, found.instances), (series, found.series)):
            for uid in uids:
                counts[uid] = (counts.get(uid) or 0) + 1
        if on_unit:
            on_unit(done, total)
    faults += [
        Fault("uid-repeated", f"{count} {what} have one UID: {uid}")
        for counts, what in ((instances, "instances"), (series, "units' series"))
        for uid, count in counts.items()
        if count > 1
    ]
    return digests, tuple(faults), compared


def _checked(files: Files, checks: Iterator[UnitCheck], total: int, workers: int) -> Iterator[Findings]:
    check = partial(_check, files)
    if workers < 2 or total < 2:
        yield from map(check, checks)
        return
    with ProcessPoolExecutor(min(workers, total), mp_context=get_context("spawn")) as pool:
        yield from pool.map(check, checks, chunksize=CHUNK)


def _check(files: Files, unit: UnitCheck) -> Findings:
    with files.brought(unit.record.folder):
        return check_unit(unit)


def _unchecked(
    written: Iterable[Record],
    source: Path | None,
    public_key: Path | None,
    said: Statement | None,
    *,
    keeps_boxes: bool,
) -> tuple[str, ...]:
    sentences, regions = [], f"/{layout.EVIDENCE}/{REGIONS}."
    if source is None:
        sentences.append("protected voxels against the source: give --source INPUT")
    elif any(not any(regions in output.path for output in record.outputs) for record in written if not record.kind):
        what = "only the boxes were compared" if keeps_boxes else "they were not compared"
        sentences.append(f"protected voxels of units without evidence of their regions: {what}")
    if said is None or not all(map(can_be_made_again, written)):
        sentences.append("headers made again from source and record: use the medaug that made them, with its pydicom")
    if public_key is None:
        sentences.append("who made the seal: give --public-key KEY, from another place than the data")
    return tuple(sentences)
