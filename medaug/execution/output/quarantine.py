"""Units that are left alone: a record of each, no file moved. ``quarantine/<unit>.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medaug.audit.layout import QUARANTINE, UNIT_DIGITS
from medaug.audit.record import Record
from medaug.errors import OutputError, SourceError
from medaug.execution.output.store import Store
from medaug.processes.time_limit import TIME_LIMIT
from medaug.storage.atomic import disk_errors, replace_file
from medaug.storage.canonical_json import canonical
from medaug.storage.plain_files import read_plain

WORKER_DIED = "worker-died"
DEATHS = 3  # workers that died over a unit before it is left alone
MEANINGS = {
    WORKER_DIED: "Workers died over this unit, without an error that could be caught: the system killed them, most "
    "often for lack of memory, or a library crashed. Look at the machine's log (dmesg), give it more memory or fewer "
    "workers, then: medaug quarantine retry OUTPUT UNIT, and the same `medaug run` again.",
    TIME_LIMIT: "Reading it, solving it, or checking and writing its variant, took more processor time than an image "
    "of its size may have: its header promises what it doesn't hold, or this is a fault of medaug's, which please "
    "report. To try again: medaug quarantine retry OUTPUT UNIT, and the same `medaug run` again.",
    "out-of-memory": "The device's memory didn't hold the smallest batch that was tried. Use a device with more memory "
    "or a profile with a smaller size; then: medaug quarantine retry OUTPUT UNIT, and the same `medaug run` again.",
}


@dataclass(frozen=True)
class Quarantined:
    """A unit that is left alone until somebody asks for it again.

    Attributes:
        unit: its key.
        code: frozen English code, a key of `MEANINGS`.
        stage: how far the last attempt got: ``start``, ``read``, ``solve`` or ``write``.
        message: one sentence without identity.
        source: the source's key.
        series_uid: SeriesInstanceUID; of a file that is no DICOM a name made from the content.
        variant: its number.
    """

    unit: str
    code: str
    stage: str
    message: str
    source: str
    series_uid: str
    variant: int


def is_death(error: BaseException | None) -> bool:
    """Whether what worked on a unit died of it, or beside it."""
    return isinstance(error, SourceError) and error.code == WORKER_DIED


def check_deaths(stages: Sequence[str], overtime: str = "") -> None:
    """Stop before a unit kills one more worker.

    Args:
        stages: how far the workers were that died over it.
        overtime: how far one of them was that was ended for its time.

    Raises:
        SourceError: there were too many, or ``time-limit``: it would take as long again.
    """
    if overtime:
        raise over_time(overtime)
    if len(stages) >= DEATHS:
        raise SourceError(
            f"{len(stages)} workers died over this unit, the last at stage {stages[-1]!r}; it is left alone, "
            "`medaug quarantine explain` says what to do",
            code=WORKER_DIED,
        )


def over_time(stage: str) -> SourceError:
    """What a unit fails with over which a process was ended for its time."""
    words = "one call that doesn't end, or takes far more of the processor than an image of its size may have"
    return SourceError(f"at stage {stage!r}: {words}; it is left alone", code=TIME_LIMIT)


def put(store: Store, record: Record, *, stage: str) -> Quarantined:
    """Leave a unit alone.

    Raises:
        OutputError: the disk didn't take it.
    """
    source = record.source
    entry = Quarantined(record.unit, record.code, stage, record.message, source.key, source.series_uid, record.variant)
    with disk_errors("the quarantine"), store.alone():
        (store.root / QUARANTINE).mkdir(exist_ok=True)
        replace_file(store.root / QUARANTINE / f"{record.unit[:UNIT_DIGITS]}.json", canonical(asdict(entry)) + b"\n")
    return entry


def entries(root: Path) -> tuple[Quarantined, ...]:
    """Every unit that is left alone, in the order of their keys.

    Raises:
        OutputError: an entry is not readable.
    """
    return tuple(sorted(each(root), key=lambda entry: entry.unit))


def each(root: Path) -> Iterator[Quarantined]:
    """`entries` in no order, one at a time.

    Raises:
        OutputError: an entry is not readable.
    """
    return map(_read, (root / QUARANTINE).glob("*.json"))


def release(store: Store, units: Sequence[str]) -> int:
    """Let units be tried again by the next run.

    Args:
        store: of OUTPUT.
        units: keys or their first digits.

    Returns:
        How many entries were removed.
    """
    with disk_errors("the quarantine"), store.alone():
        found = [path for path in (store.root / QUARANTINE).glob("*.json") if _named(path.stem, units)]
        for path in found:
            path.unlink(missing_ok=True)
    return len(found)


def _named(stem: str, units: Sequence[str]) -> bool:
    return any(stem.startswith(unit[:UNIT_DIGITS]) for unit in units if unit)


def _read(path: Path) -> Quarantined:
    try:
        return Quarantined(**json.loads(read_plain(path, follow=False)))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise OutputError(
            f"OUTPUT: quarantine/{path.name} is not readable ({type(error).__name__}); remove it to try the unit again"
        ) from None
