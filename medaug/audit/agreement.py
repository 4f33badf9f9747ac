"""How far readers who worked blind to each other agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from medaug.audit.decisions import Words


@dataclass(frozen=True)
class Agreement:
    """Two readers on the units that both decided.

    Attributes:
        readers: their names, sorted.
        units: that both decided.
        both_accepted, both_rejected: of them.
        first_alone, second_alone: of them, accepted by the first (the second) reader and rejected by the other.
    """

    readers: tuple[str, str]
    both_accepted: int
    both_rejected: int
    first_alone: int
    second_alone: int

    @property
    def units(self) -> int:
        """How many units both decided."""
        return self.both_accepted + self.both_rejected + self.first_alone + self.second_alone

    @property
    def raw(self) -> float | None:
        """The share on which they agree; None where there is no unit."""
        return (self.both_accepted + self.both_rejected) / self.units if self.units else None

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance: 1 whole, 0 none; None where it isn't defined, as when both always said one thing.

        Source: Cohen, A coefficient of agreement for nominal scales, 1960.
        """
        if self.raw is None:
            return None
        first = (self.both_accepted + self.first_alone) / self.units
        second = (self.both_accepted + self.second_alone) / self.units
        chance = first * second + (1 - first) * (1 - second)
        return None if chance == 1 else (self.raw - chance) / (1 - chance)


def agreements(words: Iterable[Words]) -> tuple[Agreement, ...]:
    """Every pair of people, as far as both decided a unit; rules and final words aren't blind and don't count."""
    counts: dict[tuple[str, str], list[int]] = {}
    for said in words:
        blind = {
            one.reader: one.verdict == "accepted" for one in said.latest if _is_blind(one.verdict, one.how, one.final)
        }
        for first, second in combinations(sorted(blind), 2):
            place = {(True, True): 0, (False, False): 1, (True, False): 2, (False, True): 3}
            counts.setdefault((first, second), [0] * 4)[place[blind[first], blind[second]]] += 1
    return tuple(Agreement(pair, *found) for pair, found in sorted(counts.items()))


def _is_blind(verdict: str, how: str, final: bool) -> bool:
    return verdict != "withdrawn" and how != "rule" and not final
