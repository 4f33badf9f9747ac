"""Units for several readers: each once, and the variants of a source together."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from medaug.execution.planning.units import Unit
from medaug.execution.worker.dealing import ALIKE, Dealer
from tests.support import null


def variants(sources: int, each: int) -> list[Unit]:
    firsts = [null.unit(number) for number in range(1, sources + 1)]
    return [replace(first, recipe=replace(first.recipe, variant=n)) for first in firsts for n in range(each)]


def dealt(units: list[Unit], readers: int) -> list[list[Unit]]:
    """What readers get that ask in turn."""
    dealer = Dealer(units, readers)
    rounds = zip_longest(*(dealer.deal() for _ in range(readers)))
    return [[unit for unit in each if unit is not None] for each in zip(*rounds, strict=True)]


def test_each_unit_is_dealt_once_and_a_source_goes_to_one_reader() -> None:
    units = variants(12, 4)
    found = dealt(units, 3)
    assert sorted(u.recipe.id for each in found for u in each) == sorted(u.recipe.id for u in units)
    sources = [{unit.source.file for unit in each} for each in found]
    assert all(sources)
    assert sum(map(len, sources)) == 12


def test_many_variants_of_one_source_go_to_all_readers() -> None:
    found = dealt(variants(1, 8 * ALIKE), 4)
    assert [len(each) for each in found] == [2 * ALIKE] * 4


def test_the_last_few_are_dealt_one_by_one() -> None:
    assert [len(each) for each in dealt(variants(1, 4), 4)] == [1] * 4
    assert [len(each) for each in dealt(variants(2, 3), 1)] == [6]
