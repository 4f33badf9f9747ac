"""Decisions as a file: out of one copy of OUTPUT, into another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from medaug.audit.decisions import Decision, history
from medaug.audit.listed import Choice
from medaug.errors import OutputError
from medaug.execution.output.decide import Word, check_reason, put, seen_of
from medaug.execution.output.lists import write_lists
from medaug.execution.output.store import Store
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical
from medaug.storage.json_dataclass import decode
from medaug.storage.plain_files import read_plain


@dataclass(frozen=True)
class DecisionFile:
    """What `export_decisions` writes.

    Attributes:
        format: names the form.
        version: of it.
        decisions: in the order of their times.
    """

    format: Literal["medaug-decisions"]
    version: Literal[1]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class Imported:
    """What became of a file's decisions: how many were taken, and how many were known before."""

    taken: int
    known: int


def every(store: Store) -> list[Decision]:
    """All decisions of an OUTPUT, those that were replaced included, in the order of their times."""
    return sorted((line.decision for line in history(store.ledger)), key=lambda one: (one.made, one.unit, one.reader))


def export_decisions(store: Store, path: Path) -> int:
    """Write them all to a file; gives their number.

    Raises:
        OutputError: the file is there already, or the disk didn't take it.
    """
    if path.exists():
        raise OutputError("decisions: the file exists; give a new name, nothing is overwritten")
    found = DecisionFile("medaug-decisions", 1, tuple(every(store)))
    replace_file(path, canonical(asdict(found)) + b"\n")
    return len(found.decisions)


def import_decisions(store: Store, path: Path) -> Imported:
    """Take a file's decisions into the ledger, each once; all or, where one doesn't fit, none. Removes no files.

    Raises:
        OutputError: it is no such file, or one of its decisions is of another unit, pixels or reason than are here.
    """
    known, found = {_kept(one) for one in every(store)}, _read(path)
    given = [one for one in found if one not in known]
    _check(store, given)
    put(store, given)
    if given:
        write_lists(store)
    return Imported(len(given), len(found) - len(given))


def _check(store: Store, given: list[Decision]) -> None:
    choice, records = Choice.of(store.root), store.records({one.unit for one in given})
    for one in given:
        check_reason(choice, Word(one.verdict, one.reader, one.reason))
        if seen_of(records, one.unit) != one.seen:
            raise OutputError(
                f"unit {one.unit[:16]}: the decision was made of other pixels or boxes than are here; nothing was taken"
            )


def _read(path: Path) -> tuple[Decision, ...]:
    try:
        found: DecisionFile = decode(DecisionFile, read_plain(path), "decisions")
    except OSError as error:
        raise OutputError(f"decisions: the file can't be read ({error.strerror})") from None
    except ValueError as error:
        raise OutputError(f"decisions: not a file that `medaug decisions export` wrote ({error})") from None
    return tuple(map(_kept, found.decisions))


def _kept(one: Decision) -> Decision:
    """Whether files were removed is a fact of one OUTPUT, not of another."""
    return replace(one, removed=False)
