"""Which written units stand in the lists: all that no decision leaves out, or those alone that a person accepted."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.audit.decisions import REASONS, RULES, Decided, decided
from medaug.audit.layout import LEDGER, MAX_PROFILE, PROFILE
from medaug.audit.record import Record
from medaug.errors import ProfileError
from medaug.profile.load import parse_profile_keys
from medaug.storage.disk_map import Reiterable
from medaug.storage.plain_files import read_document

LEFT_OUT = {
    "left-out": "a reader or a rule rejected it",
    "not-accepted": "the profile lists what a reader accepted, and nobody accepted it",
    "files-removed": "its files were removed after a rejection that was taken back; run again to make them",
}  # code → message of a record that the lists pass over


@dataclass(frozen=True, eq=False)
class Choice:
    """What decides which written units are listed.

    Attributes:
        root: OUTPUT.
        decided: what was said of units.
        accepted_only: the profile's rule ``lists: {only: accepted}``.
        reasons: for rejections, each with its meaning: medaug's, those of rules, and the profile's.
    """

    root: Path
    decided: Decided
    accepted_only: bool
    reasons: Mapping[str, str]

    @classmethod
    def of(cls, root: Path) -> Choice:
        """What decides in an OUTPUT; a profile.yaml that can't be read has no rule.

        Raises:
            OutputError: a decision in the ledger is damaged.
        """
        accepted_only, more = _rules(root)
        return cls(root, decided(root / LEDGER), accepted_only, {**REASONS, **more, **RULES})

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
        return "not-accepted" if self.accepted_only and verdict != "accepted" else ""

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


def _rules(root: Path) -> tuple[bool, dict[str, str]]:
    try:
        keys = parse_profile_keys(read_document(root / PROFILE, MAX_PROFILE, follow=False), PROFILE)
        reasons = keys.get("review", {}).get("reasons", {})
        return keys.get("lists", {}).get("only") == "accepted", {str(k): str(v) for k, v in reasons.items()}
    except (ProfileError, OSError, UnicodeDecodeError, AttributeError):
        return False, {}
