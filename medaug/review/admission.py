"""Which variants a rule admits: within limits, no near-duplicates, so many a source, label and patient, in balance."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from medaug.review.catalogue import STRENGTH, CatalogueEntry

Stratum = Literal["label", "source", "patient", "modality", "strength"]


class Alike(Protocol):
    """What tells near-duplicates; see `likeness.Likeness`."""

    def nearest(self, one: str, others: Sequence[str]) -> int:
        """Bits in which an image's fingerprint differs from the nearest of others'."""

    def share(self, one: str, other: str) -> float:
        """Share of the free region in which two variants of a source differ."""


@dataclass(frozen=True)
class Rules:
    """What is admitted.

    Attributes:
        keep: at most so many; None for all that fit.
        limits: check → (least, greatest), inclusive; a variant without the figure is left out.
        least_change: share of the free region in which a variant differs from its source, and from any other that was
            admitted of that source, at least.
        least_bits: bits in which its fingerprint differs from those of other sources' variants, at least.
        most: at most so many of a source, label or patient.
        balance: strata that take turns; none for one after the other.
    """

    keep: int | None = None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    least_change: float = 0.0
    least_bits: int = 0
    most: Mapping[Stratum, int] = field(default_factory=dict)
    balance: tuple[Stratum, ...] = ()


@dataclass
class Admission:
    """What became of candidates.

    Attributes:
        admitted: in the order of their admission.
        left_out: unit → a key of `decisions.RULES`.
        counts: (stratum, value) → admitted, of the strata that the rules bound.
    """

    admitted: list[CatalogueEntry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def by(self, stratum: Stratum) -> Counter[str]:
        """How many were admitted of each."""
        return Counter(value for one in self.admitted for value in values_of(one, stratum))


def admit(candidates: Sequence[CatalogueEntry], rules: Rules, alike: Alike, scores: Mapping[str, float]) -> Admission:
    """Go through candidates, the best first, and admit those that the rules allow.

    Args:
        candidates: each once.
        rules: what is admitted.
        alike: tells near-duplicates; asked only where the rules want it.
        scores: unit → score, the greater the better; those without one come last, else by key, which is no order of
            theirs.
    """
    admission = Admission()
    ordered = sorted(candidates, key=lambda one: (-scores.get(one.unit, float("-inf")), one.unit))
    for one in _in_turns(ordered, rules.balance, admission):
        reason = _refused(one, rules, alike, admission)
        if reason:
            admission.left_out[one.unit] = reason
        else:
            admission.admitted.append(one)
            admission.counts.update((stratum, value) for stratum in rules.most for value in values_of(one, stratum))
    return admission


def values_of(one: CatalogueEntry, stratum: Stratum) -> tuple[str, ...]:
    """What a variant is of that kind; several labels where it has them."""
    values: dict[Stratum, tuple[str, ...]] = {
        "label": one.labels,
        "source": (one.source,),
        "patient": one.patients,
        "modality": (one.modality,),
        "strength": (one.strength,),
    }
    return values[stratum]


def _in_turns(
    ordered: Iterable[CatalogueEntry], balance: tuple[Stratum, ...], found: Admission
) -> Iterator[CatalogueEntry]:
    """The strata's candidates in turns: the next turn has the stratum of which fewest were admitted, then by name."""
    strata: dict[tuple[tuple[str, ...], ...], deque[CatalogueEntry]] = {}
    for one in ordered:
        strata.setdefault(tuple(values_of(one, stratum) for stratum in balance), deque()).append(one)
    counts = dict.fromkeys(strata, 0)
    while strata:
        name = min(strata, key=lambda each: (counts[each], each))
        before = len(found.admitted)
        yield strata[name].popleft()
        counts[name] += len(found.admitted) - before
        if not strata[name]:
            del strata[name]


def _refused(one: CatalogueEntry, rules: Rules, alike: Alike, found: Admission) -> str:
    """Why a candidate isn't admitted; "" where it is."""
    for name, (low, high) in rules.limits.items():
        if not (name in one.checks and low <= one.checks[name] <= high):
            return "limit"
    if rules.least_change and one.checks.get(STRENGTH, 1.0) < rules.least_change:
        return "near-source"
    if rules.keep is not None and len(found.admitted) >= rules.keep:
        return "surplus"
    for stratum, most in rules.most.items():
        if any(found.counts[stratum, value] >= most for value in values_of(one, stratum)):
            return "quota"
    return "near-variant" if _near_another(one, rules, alike, found) else ""


def _near_another(one: CatalogueEntry, rules: Rules, alike: Alike, found: Admission) -> bool:
    """Of variants of its source that were admitted, or of another's that shows the same image."""
    siblings = [other.unit for other in found.admitted if other.source == one.source]
    if rules.least_change and any(alike.share(other, one.unit) < rules.least_change for other in siblings):
        return True
    strangers = [other.unit for other in found.admitted if other.source != one.source]
    return bool(rules.least_bits and strangers) and alike.nearest(one.unit, strangers) < rules.least_bits
