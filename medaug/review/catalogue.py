"""What the gallery knows of every variant: enough to sort and to filter by, read in one pass over the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medaug.audit import layout
from medaug.audit.decisions import digest_of_shown
from medaug.audit.ledger import RANK, segments
from medaug.audit.segments import edited, readable
from medaug.execution.output.lists import read_listing

STRENGTH = "changed_share"  # the check that says how much of an image changed
THIRDS = ("weak", "medium", "strong")
UNDECIDED = "undecided"  # the state of what a reader said nothing of


@dataclass(frozen=True)
class CatalogueEntry:
    """A written variant.

    Attributes:
        unit: its key.
        source: the source key.
        patients: the tokens of all whom it shows: the source's, and a transplanted lesion's donor's.
        variant: its number.
        modality: of the source; "" where none is stated.
        labels: of its boxes, sorted, each once.
        checks: name → figure; without those that aren't numbers.
        shown: what a reader sees of it, as the record has it.
        strength: a third of `THIRDS`, by the share that changed; "" where that isn't known.
    """

    unit: str
    source: str
    patients: tuple[str, ...]
    variant: int
    modality: str
    labels: tuple[str, ...]
    checks: Mapping[str, float]
    shown: Mapping[str, Any]
    strength: str = ""

    @property
    def seen(self) -> str:
        """`decisions.seen_digest` of its record."""
        return digest_of_shown(**self.shown)


def catalogue(root: Path) -> tuple[CatalogueEntry, ...]:
    """The written variants of the plan whose files are there, by source and variant.

    Records are not built, which would take most of the time; whoever looks at one closely reads it strictly.

    Raises:
        OutputError: plan.json or a line of the ledger is damaged.
    """
    planned = set(read_listing(root).units)
    with os.scandir(root / layout.VARIANTS) as folders:
        there = {folder.name for folder in folders}
    entries = [
        _entry(record)
        for unit, record in _decisive(root).items()
        if unit in planned and record["status"] == "written" and unit[: layout.UNIT_DIGITS] in there
    ]
    return _in_thirds(sorted(entries, key=lambda one: (one.source, one.variant, one.unit)))


def _decisive(root: Path) -> dict[str, dict[str, Any]]:
    """Unit → the record that decides, as `ledger.shelved` chooses it."""
    decisive: dict[str, tuple[tuple[int, str], dict[str, Any]]] = {}
    for path in segments(root / layout.LEDGER):
        for number, text in enumerate(readable(path), 1):
            if text.endswith(b"\n"):
                try:
                    unit, rank, record = _line(text)
                except (ValueError, KeyError, TypeError):
                    raise edited(path, f"line {number} was edited or damaged") from None
                if unit not in decisive or rank >= decisive[unit][0]:
                    decisive[unit] = rank, record
    return {unit: record for unit, (_, record) in decisive.items()}


def _line(text: bytes) -> tuple[str, tuple[int, str], dict[str, Any]]:
    line = json.loads(text)
    record = line["record"]
    return record["unit"], (RANK[record["status"]], line["logged"]), record


def _entry(record: dict[str, Any]) -> CatalogueEntry:
    source = record["source"]
    folder = layout.unit_folder(record["unit"])
    starts = (f"{folder}/{layout.IMAGE}/", f"{folder}/{layout.IMAGE}.")
    images = [one["pixels_sha256"] or one["sha256"] for one in record["outputs"] if one["path"].startswith(starts)]
    return CatalogueEntry(
        unit=record["unit"],
        source=source["key"],
        patients=tuple(dict.fromkeys(one["patient"] for one in (source, *_donors(record)))),
        variant=record["variant"],
        modality=source["modality"],
        labels=tuple(sorted({box["label"] for box in record["boxes"]})),
        checks={check["name"]: check["value"] for check in record["checks"] if check["value"] is not None},
        shown={"boxes": record["boxes"], "images": images, "source": source["key"]},
    )


def _donors(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [record["transplant"]["donor"]] if record.get("transplant") else []


def _in_thirds(entries: list[CatalogueEntry]) -> tuple[CatalogueEntry, ...]:
    known = sorted(one.checks[STRENGTH] for one in entries if STRENGTH in one.checks)

    def third(one: CatalogueEntry) -> str:
        value = one.checks.get(STRENGTH)
        return "" if value is None else THIRDS[sum(value >= known[len(known) * n // 3] for n in (1, 2))]

    return tuple(replace(one, strength=third(one)) for one in entries)


def facets(entries: tuple[CatalogueEntry, ...]) -> dict[str, list[str]]:
    """What can be chosen among."""
    return {
        "labels": sorted({label for one in entries for label in one.labels}),
        "sources": list(dict.fromkeys(one.source for one in entries)),
        "modalities": sorted({one.modality for one in entries}),
        "checks": sorted({name for one in entries for name in one.checks}),
    }


@dataclass(frozen=True)
class CatalogueQuery:
    """What of the catalogue is asked for.

    Attributes:
        label, source, modality, strength: each "" for any; a source by the first digits of its key.
        states: of `Session.state`; empty for any.
        check: whose figure lies from ``low`` to ``high``; "" for none.
        sort: ``source``, ``label``, ``modality``, ``state``, ``strength``, or a check.
        down: the greatest first.
    """

    label: str = ""
    source: str = ""
    modality: str | None = None
    strength: str = ""
    states: tuple[str, ...] = ()
    check: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    sort: str = "source"
    down: bool = False


def chosen(
    entries: tuple[CatalogueEntry, ...], query: CatalogueQuery, states: Mapping[str, str]
) -> list[CatalogueEntry]:
    """The entries that fit, in the order asked; those without the figure that is sorted by come last."""
    fitting = [one for one in entries if all(_fits(one, query, states.get(one.unit, UNDECIDED)))]
    words: Mapping[str, Callable[[CatalogueEntry], Any]] = {
        "source": lambda one: (one.source, one.variant),
        "label": lambda one: one.labels,
        "modality": lambda one: one.modality,
        "state": lambda one: states.get(one.unit, UNDECIDED),
    }
    name = STRENGTH if query.sort == "strength" else query.sort
    if name in words:
        return sorted(fitting, key=words[name], reverse=query.down)
    known = [one for one in fitting if name in one.checks]
    known.sort(key=lambda one: one.checks[name], reverse=query.down)
    return known + [one for one in fitting if name not in one.checks]


def _fits(one: CatalogueEntry, query: CatalogueQuery, state: str) -> Iterator[bool]:
    yield not query.label or query.label in one.labels
    yield one.source.startswith(query.source)
    yield query.modality is None or one.modality == query.modality
    yield not query.strength or one.strength == query.strength
    yield not query.states or state in query.states
    if query.check:
        value = one.checks.get(query.check)
        yield value is not None and query.low <= value <= query.high
