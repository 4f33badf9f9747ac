"""The ledger: a folder of segments, one per writer; in each one line per unit of work, bound to the line before it.

A line is ``{"logged": …, "prev": …, "record": {…}, "seconds": …}`` in canonical JSON (`segments` says how lines are
chained). A unit whose line was torn off, and whose files may be complete, is logged again by the run. The chain shows
an edit to anyone who keeps the last digests (the seal does); alone it doesn't stop someone who rewrites a segment.
Segments whose names begin with `decisions.PREFIX` hold people's decisions instead of records.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medaug.audit import decisions
from medaug.audit.record import Record, RecordStatus, to_data
from medaug.audit.segments import (
    LineKind,
    all_segments,
    edited,
    problems,
    readable,
    strangers,
    texts,
    unreadable,
)
from medaug.audit.segments import append as append_line
from medaug.audit.segments import now as _now
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.disk_map import DiskMap
from medaug.storage.json_dataclass import decode

RANK: Mapping[RecordStatus, int] = {"written": 3, "rejected": 2, "failed": 1, "crashed": 0}


@dataclass(frozen=True)
class Line:
    """One line of a segment.

    Attributes:
        prev: digest of the line before it.
        record: what became of a unit.
        seconds: wall time of the unit; here and not in the record, which is the same whenever it is made.
        logged: when the line was written, ISO 8601, UTC, by the writer's clock.
    """

    prev: str
    record: Record
    seconds: float
    logged: str


@dataclass(frozen=True, eq=False)
class Records(Collection[Record]):
    """Decisive records on disk, in the order of the unit keys; one at a time is in memory.

    Attributes:
        ranked: unit → what it decided by, and the record.
    """

    ranked: DiskMap[tuple[tuple[int, str], Record]]

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Record]:
        return (record for _, record in self.ranked.values())

    def __contains__(self, unit: object) -> bool:
        """Whether there is a record of the unit with this key."""
        return unit in self.ranked

    def get(self, unit: str) -> Record | None:
        """The record of the unit with this key."""
        found = self.ranked.get(unit)
        return None if found is None else found[1]

    @property
    def units(self) -> Iterator[str]:
        """Their keys, in order."""
        return iter(self.ranked)


def append(folder: Path, writer: str, record: Record, seconds: float) -> None:
    """Add one line to the writer's segment, as `segments.append`.

    Args:
        folder: OUTPUT/ledger.
        writer: 1 to 32 of a-z, 0-9 and "-".
        record: what became of a unit.
        seconds: wall time it took.

    Raises:
        OutputError: the disk is full, read-only or failing.
        ValueError: the writer's name, or what JSON can't carry.
    """
    append_line(folder, writer, lambda prev: spell(Line(prev, record, seconds, _now())))


def read(folder: Path) -> tuple[Record, ...]:
    """The decisive record of every unit as `shelved`, in memory: for a few units."""
    return tuple(shelved(folder))


def shelved(folder: Path, units: Container[str] | None = None) -> Records:
    """The decisive record of every unit, or of these, on disk; none when there is no ledger yet.

    ``written`` decides over ``rejected``, that over ``failed``, that over ``crashed``; among equals the line logged
    last, then the greater segment name, then the later line. Torn last lines are left out.

    Raises:
        OutputError: a complete line is not a ledger line, which no crash can cause.
    """
    ranked: DiskMap[tuple[tuple[int, str], Record]] = DiskMap()
    for path in segments(folder):
        try:
            for line in lines(path, units):
                rank = (RANK[line.record.status], line.logged)
                known = ranked.get(line.record.unit)
                if known is None or rank >= known[0]:
                    ranked[line.record.unit] = (rank, line.record)
        except ValueError as error:
            raise edited(path, f"{error}; a complete line was edited or damaged") from None
        except OSError as error:
            raise unreadable(path, error) from None
    return Records(ranked)


def outcomes(folder: Path) -> DiskMap[RecordStatus]:
    """Unit → status of its decisive record, as in `shelved`, without building records: fast and small.

    Raises:
        OutputError: a complete line is not a ledger line, which no crash can cause.
    """
    statuses: DiskMap[RecordStatus] = DiskMap()
    for path in segments(folder):
        for number, text in enumerate(readable(path), 1):
            if not text.endswith(b"\n"):
                continue
            try:
                record = json.loads(text)["record"]
                unit, status = str(record["unit"]), record["status"]
                known = statuses.get(unit)
                if known is None or RANK[status] > RANK[known]:
                    statuses[unit] = status
            except (ValueError, KeyError, TypeError):
                raise edited(path, f"line {number} was edited or damaged") from None
    return statuses


def verify_chain(folder: Path) -> list[str]:
    """Everything that is wrong with a ledger by itself, decisions included, a sentence each; empty when it is sound."""
    if folder.is_symlink():
        return ["the folder is a link: a ledger lies in its OUTPUT itself"]
    try:
        found = [f"{name}: not a segment" for name in strangers(folder)]
        paths = all_segments(folder)
    except OSError as error:
        return [f"the folder can't be listed ({error.strerror})"]
    for path in paths:
        kind = decisions.KIND if decisions.holds_decisions(path) else _KIND
        found += [f"segment {path.stem}: {problem}" for problem in problems(path, kind)]
    return found


def segments(folder: Path) -> tuple[Path, ...]:
    """The segments that hold records, by name; empty where there is no folder."""
    return tuple(path for path in all_segments(folder) if not decisions.holds_decisions(path))


def lines(path: Path, units: Container[str] | None = None) -> Iterator[Line]:
    """The complete lines of a segment, or those of some units, oldest first, one at a time.

    The others' records aren't built, which takes most of the time.

    Raises:
        ValueError: names the line by its number.
    """
    for number, text in enumerate(texts(path), 1):
        if text.endswith(b"\n"):
            try:
                if units is None or _unit(parse(text[:-1])) in units:
                    yield decode(Line, text[:-1], "line")
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _unit(line: Any) -> str:
    try:
        return str(line["record"]["unit"])
    except (KeyError, TypeError):
        raise ValueError("expected the record of a unit") from None


def spell(line: Line) -> bytes:
    """A line's one spelling, without its line break.

    Raises:
        ValueError: a figure isn't finite, or the recipe holds what JSON can't.
    """
    data = {"prev": line.prev, "record": to_data(line.record), "seconds": line.seconds, "logged": line.logged}
    return canonical(data)


_KIND = LineKind(partial(decode, Line, where="line"), spell)
