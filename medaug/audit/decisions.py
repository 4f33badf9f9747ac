"""What people, and the rules they set, decided of variants: who, when, what they saw, and why.

Decisions are lines of the ledger, in segments of their own (``decisions-<writer>.jsonl``), chained and sealed like all
of it: ``{"decision": {…}, "logged": …, "prev": …}``. Nothing is taken back by an edit: a later line of the same reader
replaces his earlier word, and ``withdrawn`` says that he has none. What stands of a unit follows from all readers:

* a word that was marked as final outweighs all that aren't; of several the last counts;
* else one rejection suffices;
* else one acceptance does, of a person: a rule may leave a variant out, and never vouches for one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from medaug.audit.record import HEX64, Record
from medaug.audit.segments import LineKind, all_segments, append, edited, now, texts, unreadable
from medaug.imaging.boxes import plain
from medaug.storage.canonical_json import canonical
from medaug.storage.disk_map import DiskMap
from medaug.storage.json_dataclass import decode

ReaderVerdict = Literal["accepted", "rejected", "withdrawn"]
How = Literal["page", "command", "rule"]

PREFIX = "decisions-"  # of a segment's name; no worker is called so
READER = re.compile(r"[^\W_][\w .,'@+-]{0,63}")
REASON = re.compile(r"[a-z][a-z0-9-]{0,31}")
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "label": "what the box shows is no longer what its label says",
        "anatomy": "anatomy that no body has",
        "artefact": "a seam, a texture or a pattern that no scanner makes",
        "unchanged": "hardly anything differs from the source",
        "duplicate": "hardly anything differs from another variant",
        "identity": "text or a mark that could name a person",
        "source": "the source itself is unfit, or its label wrong",
        "other": "none of these",
    }
)
RULES: Mapping[str, str] = MappingProxyType(
    {
        "limit": "a check lies outside the limits of the selection",
        "near-source": "a near-duplicate of its source",
        "near-variant": "a near-duplicate of a variant that was admitted",
        "quota": "its source, label or patient has as many as the selection admits",
        "surplus": "as many were admitted as the selection keeps",
    }
)


@dataclass(frozen=True)
class Decision:
    """One word on one unit.

    Attributes:
        unit: 64 hex.
        verdict: ``withdrawn`` takes the reader's earlier word back.
        reader: the name or pseudonym that he gave; of a rule, its name.
        reason: of a rejection, a key of `REASONS`, `RULES` or the profile's; "" for others.
        seen: `seen_digest` of what was shown.
        made: ISO 8601, UTC; when he decided, by the clock where he did.
        how: on the page, by a command, or by a rule.
        final: whether it outweighs the words that aren't, such as a consensus after blind reading.
        removed: whether the unit's files were removed with it.
    """

    unit: str
    verdict: ReaderVerdict
    reader: str
    reason: str
    seen: str
    made: str
    how: How
    final: bool = False
    removed: bool = False

    def __post_init__(self) -> None:
        if not (HEX64.fullmatch(self.unit) and HEX64.fullmatch(self.seen)):
            raise ValueError("decision: expected unit and seen as 64 lower-case hex digits")
        if not READER.fullmatch(self.reader):
            raise ValueError("decision.reader: expected a name of 1 to 64 letters, digits, spaces and .,'@+-")
        if (self.verdict == "rejected") != bool(self.reason) or (self.reason and not REASON.fullmatch(self.reason)):
            raise ValueError("decision.reason: a rejection needs one, of a-z, 0-9 and -; nothing else takes one")
        if self.removed and self.verdict != "rejected":
            raise ValueError("decision.removed: only what is rejected is removed")


@dataclass(frozen=True)
class DecisionLine:
    """A line of a segment; ``logged`` is when it was written, by the writer's clock."""

    prev: str
    decision: Decision
    logged: str


@dataclass(frozen=True)
class Words:
    """What was said of a unit.

    Attributes:
        latest: the last word of each reader, in the order of their times.
        removed: whether any word removed its files; they may have been made again since.
    """

    latest: tuple[Decision, ...] = ()
    removed: bool = False

    @property
    def deciding(self) -> Decision | None:
        """The word that stands; None where nobody's does."""
        said = [one for one in self.latest if one.verdict != "withdrawn"]
        said = [one for one in said if one.final] or said
        if any(one.final for one in said):
            return said[-1]
        rejecting = [one for one in said if one.verdict == "rejected"]
        speaking = rejecting or [one for one in said if one.how != "rule"]
        return speaking[-1] if speaking else None

    @property
    def verdict(self) -> ReaderVerdict | None:
        """``accepted`` or ``rejected``; None where nothing stands."""
        return self.deciding.verdict if self.deciding else None

    def with_word(self, one: Decision) -> Words:
        """With one more word."""
        return Words(_with(self.latest, one), self.removed or one.removed)

    def of(self, reader: str) -> Decision | None:
        """What a reader said last; None where he withdrew it or said nothing."""
        return next((one for one in self.latest if one.reader == reader and one.verdict != "withdrawn"), None)


Decided = DiskMap[Words]  # by unit, on disk


def seen_digest(record: Record) -> str:
    """What whoever looks at a unit sees: its source, its stored pixels and its boxes, as one digest.

    It outlives rewritten headers, and a variant that was made again with the same pixels.
    """
    images = [image.pixels_sha256 or image.sha256 for image in record.images]
    return digest_of_shown([plain(box) for box in record.boxes], images, record.source.key)


def digest_of_shown(boxes: Sequence[Mapping[str, Any]], images: Sequence[str], source: str) -> str:
    """`seen_digest` of what a record says, as it says it in JSON."""
    return hashlib.sha256(canonical({"boxes": boxes, "images": images, "source": source})).hexdigest()


def log(folder: Path, writer: str, decisions: Iterable[Decision]) -> None:
    """Append decisions to the ledger and flush them to disk: all are there, or none.

    Args:
        folder: OUTPUT/ledger.
        writer: of 1 to 22 characters; processes of one machine may share it.
        decisions: in their order.

    Raises:
        OutputError: the disk didn't take them.
    """

    def spelled(one: Decision) -> Callable[[str], bytes]:
        return lambda prev: spell(DecisionLine(prev, one, now()))

    lines = [spelled(one) for one in decisions]
    if lines:
        append(folder, PREFIX + writer, *lines)


def history(folder: Path) -> Iterator[DecisionLine]:
    """Every decision, segment by segment, oldest first in each; torn last lines are left out.

    Raises:
        OutputError: a complete line is no decision's, which no crash can cause, or a segment can't be read.
    """
    for path in filter(holds_decisions, all_segments(folder)):
        try:
            for number, text in enumerate(texts(path), 1):
                if text.endswith(b"\n"):
                    yield _read(text[:-1], number)
        except ValueError as error:
            raise edited(path, f"{error}; a complete line was edited or damaged") from None
        except OSError as error:
            raise unreadable(path, error) from None


def decided(folder: Path) -> Decided:
    """What was said of each unit that anybody said anything of; as `history`."""
    words: Decided = DiskMap()
    for line in history(folder):
        one = line.decision
        words[one.unit] = (words.get(one.unit) or Words()).with_word(one)
    return words


def holds_decisions(segment: Path) -> bool:
    """Whether a segment is one of decisions, by its name."""
    return segment.name.startswith(PREFIX)


def spell(line: DecisionLine) -> bytes:
    """A line's one spelling, without its line break."""
    return canonical(asdict(line))


def _with(latest: tuple[Decision, ...], one: Decision) -> tuple[Decision, ...]:
    """Of one reader the later word counts; among equals the one that was read last."""
    if any(other.reader == one.reader and other.made > one.made for other in latest):
        return latest
    kept = [other for other in latest if other.reader != one.reader]
    return tuple(sorted([*kept, one], key=lambda other: other.made))


def _read(text: bytes, number: int) -> DecisionLine:
    try:
        line: DecisionLine = decode(DecisionLine, text, "line")
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    return line


KIND = LineKind(partial(decode, DecisionLine, where="line"), spell)
