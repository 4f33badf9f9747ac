"""What the page works on: the variants of an OUTPUT and every reader's words on them, kept in step with the ledger."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medaug.audit.agreement import Agreement, agreements
from medaug.audit.decisions import RULES, Decision, Words, decided
from medaug.audit.listed import Choice
from medaug.errors import OutputError
from medaug.execution.output.decide import Word, put
from medaug.execution.output.lists import write_lists
from medaug.execution.output.open import attach
from medaug.execution.output.store import Store
from medaug.review.catalogue import UNDECIDED, CatalogueEntry, catalogue

BY_RULE = "left out by a rule"


@dataclass
class Session:
    """One OUTPUT while people look at it. Its methods may be called by several threads.

    Attributes:
        store: OUTPUT.
        entries: its variants; they don't change meanwhile.
        reasons: to reject one, each with its meaning.
        words: what was said of units.
        taken: decisions on this page, from its start.
        unlisted: whether lists and seal don't hold all of them yet.
    """

    store: Store
    entries: tuple[CatalogueEntry, ...]
    reasons: Mapping[str, str]
    words: dict[str, Words]
    taken: int = 0
    unlisted: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def of(cls, root: Path) -> Session:
        """Read an OUTPUT.

        Raises:
            OutputError: it is none, or damaged.
        """
        store, choice = attach(root), Choice.of(root)
        reasons = {word: meaning for word, meaning in choice.reasons.items() if word not in RULES}
        return cls(store, catalogue(root), reasons, dict(choice.decided.items()))

    def __post_init__(self) -> None:
        self.by_unit = {one.unit: one for one in self.entries}

    def reload(self) -> None:
        """Take in what other processes decided meanwhile."""
        with self._lock:
            self.words = dict(decided(self.store.ledger).items())

    def entry(self, unit: str) -> CatalogueEntry:
        """The variant of this key.

        Raises:
            KeyError: there is none.
        """
        return self.by_unit[unit]

    def state(self, unit: str, reader: str) -> str:
        """What this reader said of it, and nothing of what others said: they work blind to each other."""
        words = self.words.get(unit, Words())
        own = words.of(reader)
        if own:
            return own.verdict
        ruled = any(one.how == "rule" and one.verdict == "rejected" for one in words.latest)
        return BY_RULE if ruled else UNDECIDED

    def states(self, reader: str) -> dict[str, str]:
        """Unit → `state`, of those that anything was said of."""
        return {unit: self.state(unit, reader) for unit in tuple(self.words)}

    def counts(self, reader: str) -> Counter[str]:
        """How many variants are in each state."""
        states = self.states(reader)
        return Counter(states.get(one.unit, UNDECIDED) for one in self.entries)

    def decide(self, unit: str, seen: str, word: Word) -> Decision:
        """Log a word at once; lists and seal follow with `finish`.

        Args:
            unit: its key.
            seen: what the reader saw, as the page was told.
            word: what he says.

        Raises:
            KeyError: there is no such variant.
            OutputError: he saw something else than is there, the reason is unknown, or there is nothing to take back.
        """
        if self.entry(unit).seen != seen:
            raise OutputError("what was shown isn't what is there now; load the page again")
        if word.verdict == "rejected" and word.reason not in self.reasons:
            raise OutputError(f"reason: expected one of {', '.join(sorted(self.reasons))}")
        one = word.on(unit, seen)
        with self._lock:
            before = self.words.get(unit, Words())
            if word.verdict == "withdrawn" and not before.of(word.reader):
                raise OutputError("nothing was said of it that could be taken back")
            put(self.store, [one])
            self.words[unit] = before.with_word(one)
            self.taken, self.unlisted = self.taken + 1, True
        return one

    def agreement(self) -> tuple[Agreement, ...]:
        """How far readers agree, those on other pages included."""
        self.reload()
        return agreements(self.words.values())

    def finish(self) -> None:
        """Write lists and seal, where decisions were taken since.

        Raises:
            OutputError: the disk didn't take it.
        """
        with self._lock:
            if self.unlisted:
                write_lists(self.store)
                self.unlisted = False
