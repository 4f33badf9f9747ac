"""Who may stand where: a patient in one part only, and a synthetic image in training and nowhere else."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medaug.audit.record import Record
from medaug.audit.recorded_source import RecordedSource
from medaug.errors import ManifestError
from medaug.storage.disk_map import DiskMap
from medaug.storage.plain_files import open_plain, text_of

TRAINING = "training"
PARTS = (TRAINING, "validation", "test")
NAMES = {"train": TRAINING, "val": "validation", "valid": "validation", "testing": "test", **{p: p for p in PARTS}}
FOLDS = 5


@dataclass(frozen=True)
class SplitImage:
    """One image of a data set.

    Attributes:
        patient: the patient's token.
        part: of `PARTS`.
        series_uid: what the message names it by.
        synthetic: whether medaug made it.
    """

    patient: str
    part: str
    series_uid: str
    synthetic: bool


def check_parts(entries: Iterable[SplitImage]) -> None:
    """Refuse a patient in two parts, and a synthetic image that isn't in training.

    Raises:
        ManifestError: with the series and the parts.
    """
    parts: DiskMap[dict[str, str]] = DiskMap()
    for entry in entries:
        if not entry.patient:
            raise ManifestError(f"series {entry.series_uid}: the record names no patient; `medaug verify` the OUTPUT")
        if entry.synthetic and entry.part != TRAINING:
            raise ManifestError(
                f"series {entry.series_uid}: its patient is in {entry.part}, and a synthetic image may only enter "
                "training: it shows its source's patient; leave such variants out (--leave-out)"
            )
        known = parts.get(entry.patient) or {}
        if entry.part not in known:
            parts[entry.patient] = {**known, entry.part: entry.series_uid}
    for places in parts.values():
        if len(places) > 1:
            where = ", ".join(f"{uid} in {part}" for part, uid in sorted(places.items()))
            raise ManifestError(f"one patient stands in {len(places)} parts: series {where}; put all into one part")


def fold_of(patient: str) -> int:
    """The fold of a patient, 0 to 4: it follows from the token alone, so studies that are added later move nobody."""
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % FOLDS


def read_parts(path: Path) -> Mapping[str, str]:
    """SeriesInstanceUID → part, from a CSV with the columns ``series_uid`` and ``part``.

    Raises:
        ManifestError: not such a table, or a series stands in two parts.
    """
    parts: dict[str, str] = {}
    for line, uid, part, _ in rows_of_parts(path, "series_uid"):
        if parts.setdefault(uid, part) != part:
            raise ManifestError(f"parts, line {line}: series {uid} stands in {parts[uid]} and in {part}")
    if not parts:
        raise ManifestError("parts: the table is empty; expected the columns series_uid and part")
    return parts


def rows_of_parts(path: Path, column: str) -> Iterator[tuple[int, str, str, Mapping[str, str | None]]]:
    """(line, what the column names, part, whole row) of a CSV with that column and ``part``.

    Raises:
        ManifestError: not such a table.
    """
    try:
        with text_of(open_plain(path), "utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"parts: the table can't be read ({type(error).__name__}); expected a CSV") from None
    for line, row in enumerate(rows, 2):
        name, part = (row.get(column) or "").strip(), NAMES.get((row.get("part") or "").strip().lower())
        if not name or part is None:
            raise ManifestError(
                f"parts, line {line}: expected the columns {column} and part, and as part one of {', '.join(PARTS)}"
            )
        yield line, name, part, row


def for_training(records: Iterable[Record], parts: Mapping[str, str] | None, *, leave_out: bool) -> tuple[Record, ...]:
    """The written units that may be trained on when the real images stand in ``parts``.

    Args:
        records: of all units.
        parts: of the real images, by series; None when there is no table: all patients are then for training.
        leave_out: leave out variants of patients who are not in training, instead of refusing.

    Raises:
        ManifestError: a patient stands in two parts, a source in none, or a synthetic image would leave training.
    """
    written = sorted((r for r in records if r.status == "written"), key=lambda r: (r.source.key, r.variant, r.unit))
    where = {source.series_uid: _part(source, parts) for record in written for source in record.shown}
    check_parts(_images(written, where, synthetic=False))
    if leave_out:
        written = [record for record in written if all(where[one.series_uid] == TRAINING for one in record.shown)]
    check_parts(_images(written, where, synthetic=True))
    return tuple(written)


def _images(records: Iterable[Record], where: Mapping[str, str], *, synthetic: bool) -> Iterator[SplitImage]:
    """Every source that a variant shows: where a lesion was set in, its donor's as well."""
    for record in records:
        for source in record.shown:
            yield SplitImage(source.patient, where[source.series_uid], source.series_uid, synthetic)


def _part(source: RecordedSource, parts: Mapping[str, str] | None) -> str:
    if parts is None:
        return TRAINING
    part = parts.get(source.series_uid)
    if part is None:
        raise ManifestError(
            f"parts: series {source.series_uid} was augmented and isn't in the table; say in which part it is"
        )
    return part
