"""Which written units stand in the lists: all that no decision leaves out, or those alone that a person accepted.

A profile may ask for a share, too: until readers accepted so many of the written variants, the lists hold none.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.audit import ledger
from medaug.audit.decisions import REASONS, RULES, Decided, decided
from medaug.audit.layout import LEDGER, MAX_PROFILE, PROFILE
from medaug.audit.record import Record
from medaug.errors import OutputError, ProfileError
from medaug.profile.components import Lists
from medaug.profile.load import parse_profile_keys
from medaug.storage.disk_map import Reiterable
from medaug.storage.plain_files import read_document

LEFT_OUT = {
    "left-out": "a reader or a rule rejected it",
    "not-accepted": "the profile lists what a reader accepted, and nobody accepted it",
    "share-not-reached": "the profile lists nothing until readers accepted a share of the variants: not yet",
    "files-removed": "its files were removed after a rejection that was taken back; run again to make them",
}  # code → message of a record that the lists pass over


@dataclass(frozen=True, eq=False)
class Choice:
    """What decides which written units are listed.

    Attributes:
        root: OUTPUT.
        decided: what was said of units.
        accepted_only: the profile's rule ``lists: {only: accepted}``.
        short: whether fewer are accepted than the share that its rule ``lists: {least_accepted: SHARE}`` asks for.
        reasons: for rejections, each with its meaning: medaug's, those of rules, and the profile's.
    """

    root: Path
    decided: Decided
    accepted_only: bool
    short: bool
    reasons: Mapping[str, str]

    @classmethod
    def of(cls, root: Path, *, damaged: bool = False) -> Choice:
        """What decides in an OUTPUT.

        Args:
            root: OUTPUT.
            damaged: take a profile.yaml that can't be read for one without rules; `medaug.verify` names it itself.

        Raises:
            OutputError: a decision in the ledger is damaged, or profile.yaml can't be read.
        """
        said = decided(root / LEDGER)
        rules, more = _rules(root, damaged=damaged)
        short = rules.least_accepted > 0 and _accepted_share(root, said) < rules.least_accepted
        return cls(root, said, rules.only == "accepted", short, {**REASONS, **more, **RULES})

    def code(self, unit: str, folder: str) -> str:
        """Why a written unit isn't listed, a key of `LEFT_OUT`; "" where it is.

        Args:
            unit: its key.
            folder: the record's.
        """
        words = self.decided.get(unit)
        verdict = words.verdict if words else None
        if verdict == "rejected":
            return "left-out"
        if words and words.removed and not os.path.lexists(self.root / folder):
            return "files-removed"
        if self.accepted_only and verdict != "accepted":
            return "not-accepted"
        return "share-not-reached" if self.short else ""

    def gone(self, record: Record) -> bool:
        """Whether a unit's files were removed by a decision, and are not there again."""
        words = self.decided.get(record.unit)
        return bool(words and words.removed) and not os.path.lexists(self.root / record.folder)

    def seen(self, record: Record) -> Record:
        """A record as lists take it: one that they leave out is none of a written unit."""
        code = self.code(record.unit, record.folder) if record.status == "written" else ""
        return replace(record, status="rejected", code=code, message=LEFT_OUT[code]) if code else record

    def through(self, records: Collection[Record]) -> Reiterable[Record]:
        """Records as lists take them, in their order."""

        def each() -> Iterator[Record]:
            return map(self.seen, records)

        return Reiterable(each, lambda: len(records))


def _rules(root: Path, *, damaged: bool) -> tuple[Lists, dict[str, str]]:
    """Refused where it can't be read: a list taken for one without rules would hold what nobody accepted."""
    try:
        keys = parse_profile_keys(read_document(root / PROFILE, MAX_PROFILE, follow=False), PROFILE)
        reasons = keys.get("review", {}).get("reasons", {})
        return Lists.model_validate(keys.get("lists", {})), {str(k): str(v) for k, v in reasons.items()}
    except (ProfileError, OSError, ValueError, AttributeError) as error:
        if damaged:
            return Lists(), {}
        raise OutputError(
            f"OUTPUT: {PROFILE} can't be read ({type(error).__name__}), so what may be listed isn't known; restore it"
        ) from None


def _accepted_share(root: Path, said: Decided) -> float:
    """Of the written units, those that a reader accepted; 0 where nothing is written."""
    written = {unit for unit, status in ledger.outcomes(root / LEDGER).items() if status == "written"}
    accepted = sum(words.verdict == "accepted" for unit, words in said.items() if unit in written)
    return accepted / len(written) if written else 0.0
