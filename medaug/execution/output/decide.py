"""Decide on units of OUTPUT: the word goes to the ledger, then lists and seal follow it."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from medaug.audit import decisions, layout
from medaug.audit.decisions import Decision, How, ReaderVerdict, seen_digest
from medaug.audit.ledger import Records
from medaug.audit.listed import Choice
from medaug.errors import OutputError, counted
from medaug.execution.output import leases
from medaug.execution.output.lists import write_lists
from medaug.execution.output.store import Store
from medaug.storage.atomic import disk_errors, flush_folder

LEAST_DIGITS = 8  # of a unit key on the command line
NAMED = 3  # units in a message


@dataclass(frozen=True)
class Word:
    """What is to be said of units.

    Attributes:
        verdict: ``accepted``, ``rejected`` or ``withdrawn``.
        reader: whose word it is, by name or pseudonym.
        reason: of a rejection.
        how: it came about.
        final: whether it outweighs the words that aren't.
    """

    verdict: ReaderVerdict
    reader: str
    reason: str = ""
    how: How = "command"
    final: bool = False

    def on(self, unit: str, seen: str, *, removed: bool = False) -> Decision:
        """As a decision, now.

        Raises:
            OutputError: the reader's name isn't one, or a reason is missing or too many.
        """
        made = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            return Decision(
                unit, self.verdict, self.reader, self.reason, seen, made, self.how, self.final, removed=removed
            )
        except ValueError as error:
            raise OutputError(str(error)) from None


def decide(store: Store, units: Sequence[str], word: Word, *, remove: bool = False) -> Sequence[Decision]:
    """Say one word on some units; lists and seal are written again.

    Args:
        store: OUTPUT.
        units: keys or their first digits, at least `LEAST_DIGITS`.
        word: what is said.
        remove: remove the files of what is rejected; their records stay in the ledger.

    Raises:
        OutputError: no such written unit, an unknown reason, nothing to withdraw, or the disk didn't take it.
    """
    choice = Choice.of(store.root)
    check_reason(choice, word)
    keys = resolve(store, units)
    records = store.records(set(keys))
    made = [word.on(key, seen_of(records, key), removed=remove) for key in keys]
    for one in made:
        check_sense(store, choice, one)
    put(store, made)
    write_lists(store)
    return made


def put(store: Store, made: Iterable[Decision]) -> None:
    """Append decisions to the ledger and remove what they say is removed; lists and seal are still the old ones.

    Raises:
        OutputError: the disk didn't take it.
    """
    kept = list(made)
    decisions.log(store.ledger, writer(store), kept)
    with disk_errors("variants/"):
        for one in kept:
            if one.removed:
                _remove(store, one.unit)


def writer(store: Store) -> str:
    """Processes of one machine share a segment: a command is a line, not a file."""
    return store.worker.split("-", maxsplit=1)[0]


def seen_of(records: Records, unit: str) -> str:
    """`seen_digest` of a unit's record.

    Raises:
        OutputError: it wasn't written.
    """
    record = records.get(unit)
    if record is None or record.status != "written":
        raise OutputError(f"unit {unit[:16]}: expected a written unit, found none of this key")
    return seen_digest(record)


def resolve(store: Store, units: Sequence[str]) -> list[str]:
    """The whole keys of written units, each once, in the order asked.

    Raises:
        OutputError: too few digits, no such unit, or several.
    """
    known = [unit for unit, status in store.look().statuses.items() if status == "written"]
    return list(dict.fromkeys(_resolved(known, unit.lower()) for unit in units))


def check_reason(choice: Choice, word: Word) -> None:
    """A rejection is for a reason that is known.

    Raises:
        OutputError: it isn't.
    """
    if word.verdict == "rejected" and word.reason not in choice.reasons:
        known = ", ".join(sorted(choice.reasons))
        raise OutputError(f"reason: expected one of {known}; a profile may add some (review: reasons)")


def check_sense(store: Store, choice: Choice, one: Decision) -> None:
    """Only what is there is accepted, and only what was said is withdrawn.

    Raises:
        OutputError: it makes no sense.
    """
    words = choice.decided.get(one.unit)
    if one.verdict == "withdrawn" and not (words and words.of(one.reader)):
        raise OutputError(f"unit {one.unit[:16]}: {one.reader} said nothing of it that could be withdrawn")
    if one.verdict == "accepted" and not store.holds(one.unit):
        raise OutputError(f"unit {one.unit[:16]}: its files aren't there, so there is nothing to accept; run again")


def _resolved(known: Sequence[str], unit: str) -> str:
    if len(unit) < LEAST_DIGITS:
        raise OutputError(f"unit: expected the first {LEAST_DIGITS} or more digits of its key, found {len(unit)}")
    matching = [key for key in islice(known, bisect_left(known, unit), None) if key.startswith(unit)][:NAMED]
    if len(matching) != 1:
        found = counted(len(matching), "written unit") if matching else "no written unit"
        raise OutputError(
            f"unit: {found} of which the key begins with these {len(unit)} digits; the names of the folders below "
            f"{layout.VARIANTS}/ are such digits"
        )
    return matching[0]


def _remove(store: Store, unit: str) -> None:
    """One rename, so that nobody sees half a unit; what is left of it in staging, any run tidies."""
    folder = store.folder(unit)
    if not folder.is_dir():
        return
    store.staging.mkdir(exist_ok=True)
    away = store.staging / f"removed.{unit[: layout.UNIT_DIGITS]}.{leases.worker_name()}"
    folder.rename(away)
    flush_folder(folder.parent)
    shutil.rmtree(away, ignore_errors=True)
