"""Whether decisions are of units that are there as they were seen, and for reasons that are known."""

from __future__ import annotations

from collections.abc import Iterator

from medaug.audit.decisions import Decision, seen_digest
from medaug.audit.layout import LEDGER
from medaug.audit.ledger import Records
from medaug.audit.listed import Choice
from medaug.audit.record import Record
from medaug.verification.faults import Fault


def check_decisions(records: Records, choice: Choice) -> Iterator[Fault]:
    """The last word of every reader on every unit.

    Args:
        records: of all units.
        choice: what was said of them.
    """
    for unit, words in choice.decided.items():
        record = records.get(unit)
        for one in words.latest:
            if one.verdict != "withdrawn":
                yield from _check(one, record, choice)


def _check(one: Decision, record: Record | None, choice: Choice) -> Iterator[Fault]:
    if record is None or record.status != "written":
        yield _fault("it is of a unit that wasn't written", one)
    elif seen_digest(record) != one.seen:
        yield _fault("what was seen had other pixels, boxes or another source than the record", one)
    if one.reason and one.reason not in choice.reasons:
        yield _fault(f"neither medaug nor profile.yaml knows the reason {one.reason}", one)


def _fault(message: str, one: Decision) -> Fault:
    return Fault("decision-differs", message, LEDGER, one.unit)
