"""`medaug select`: what the rules leave out is decided as if a reader had said so, under the name of the rule."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medaug.audit.decisions import Decision, ReaderVerdict, Words, decided
from medaug.errors import OutputError, counted
from medaug.execution.output.decide import LEAST_DIGITS, Word, put
from medaug.execution.output.lists import write_lists
from medaug.execution.output.store import Store
from medaug.review.admission import Admission, Rules, Stratum, admit
from medaug.review.catalogue import CatalogueEntry, catalogue
from medaug.review.likeness import Likeness
from medaug.storage.plain_files import open_plain, text_of

READER = "select"  # whose word it is
STRATA: tuple[Stratum, ...] = ("label", "source", "patient", "modality", "strength")


@dataclass(frozen=True)
class Selection:
    """What a selection came to.

    Attributes:
        rules: that were asked for.
        admission: what became of the candidates.
        refused: variants that a reader had rejected, and which were no candidates.
        decisions: what was recorded: nothing where it stood so already.
        scores: unit → score, where there was one.
    """

    rules: Rules
    admission: Admission
    refused: int
    decisions: tuple[Decision, ...]
    scores: Mapping[str, float] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """The admission report as JSON data."""
        admitted, left_out = self.admission.admitted, self.admission.left_out
        return {
            "rules": asdict(self.rules),
            "candidates": len(admitted) + len(left_out),
            "rejected_by_readers": self.refused,
            "admitted": len(admitted),
            "left_out": dict(sorted(Counter(left_out.values()).items())),
            "admitted_by": {stratum: dict(sorted(self.admission.by(stratum).items())) for stratum in STRATA},
            "units": [self._told(one.unit, "") for one in admitted]
            + [self._told(unit, reason) for unit, reason in sorted(left_out.items())],
        }

    def _told(self, unit: str, reason: str) -> dict[str, Any]:
        scored = {"score": round(self.scores[unit], 6)} if unit in self.scores else {}
        return {"unit": unit, "admitted": not reason, "reason": reason, **scored}


def select(store: Store, rules: Rules, scores: Mapping[str, float], *, dry: bool = False) -> Selection:
    """Admit variants by rule. A variant that a reader rejected is no candidate; one that is left out leaves the lists.

    The same rules on the same OUTPUT change nothing; other rules replace what these said.

    Args:
        store: OUTPUT.
        rules: what is admitted.
        scores: unit → score, the greater the better.
        dry: record nothing.

    Raises:
        OutputError: OUTPUT is damaged, or the disk didn't take it.
    """
    words = dict(decided(store.ledger).items())
    entries = catalogue(store.root)
    candidates = [one for one in entries if not _rejected_by_people(words.get(one.unit, Words()))]
    admission = admit(candidates, rules, Likeness(store.root), scores)
    made = _decisions(candidates, admission, words)
    if made and not dry:
        put(store, made)
        write_lists(store)
    return Selection(rules, admission, len(entries) - len(candidates), () if dry else tuple(made), scores)


def write_report(selection: Selection, path: Path) -> None:
    """Write the admission report to a new file.

    Raises:
        OutputError: the file is there already.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(selection.report(), file, indent=2)
            file.write("\n")
    except FileExistsError:
        raise OutputError("report: the file exists; give a new name, nothing is overwritten") from None


def read_scores(path: Path, entries: Sequence[CatalogueEntry]) -> dict[str, float]:
    """Unit → score, from a CSV with the columns ``unit`` (the first 8 or more digits of a key) and ``score``.

    Raises:
        OutputError: not such a table, or a unit that isn't there.
    """
    known = {one.unit[:LEAST_DIGITS]: one.unit for one in entries}
    try:
        with text_of(open_plain(path), "utf-8-sig") as file:
            rows = [(str(row["unit"]), float(row["score"])) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        expected = "expected a CSV with the columns unit and score"
        raise OutputError(f"scores: the table can't be read ({type(error).__name__}); {expected}") from None
    strangers = [unit for unit, _ in rows if not known.get(unit[:LEAST_DIGITS], "").startswith(unit or " ")]
    if strangers:
        raise OutputError(f"scores: {len(strangers)} of {counted(len(rows), 'unit')} aren't written here")
    return {known[unit[:LEAST_DIGITS]]: score for unit, score in rows}


def _rejected_by_people(words: Words) -> bool:
    people = Words(tuple(one for one in words.latest if one.how != "rule"))
    return people.verdict == "rejected"


def _decisions(
    candidates: Sequence[CatalogueEntry], admission: Admission, words: Mapping[str, Words]
) -> list[Decision]:
    """What isn't recorded yet."""
    made = []
    for one in candidates:
        reason = admission.left_out.get(one.unit, "")
        verdict: ReaderVerdict = "rejected" if reason else "accepted"
        before = words.get(one.unit, Words()).of(READER)
        if before is None or (before.verdict, before.reason) != (verdict, reason):
            made.append(Word(verdict, READER, reason, how="rule").on(one.unit, one.seen))
    return made
