from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from medaug.review.admission import Admission, Rules, admit
from medaug.review.catalogue import CatalogueEntry


def entry(unit: str, source: str = "s", **more: Any) -> CatalogueEntry:
    given = {"patients": (source,), "variant": 0, "modality": "CR", "labels": ("nodule",), "checks": {}, "shown": {}}
    return CatalogueEntry(unit=unit, source=source, **{**given, **more})


class Unlike:
    """No two are alike, but for those named."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = {frozenset(pair) for pair in pairs}

    def nearest(self, one: str, others: Sequence[str]) -> int:
        return min((10 if {one, other} in self.pairs else 60) for other in others)

    def share(self, one: str, other: str) -> float:
        return 0.01 if frozenset((one, other)) in self.pairs else 0.7


def admitted(entries: list[CatalogueEntry], rules: Rules, alike: Unlike | None = None, **scores: float) -> Admission:
    return admit(entries, rules, alike or Unlike(), scores)


def units(found: Admission) -> list[str]:
    return [one.unit for one in found.admitted]


def test_without_rules_all_are_admitted_in_an_order_that_is_nobodys() -> None:
    found = admitted([entry("c"), entry("a"), entry("b")], Rules())
    assert (units(found), found.left_out) == (["a", "b", "c"], {})


def test_the_best_scores_come_first_and_the_surplus_is_left_out() -> None:
    found = admitted([entry(name) for name in "abcd"], Rules(keep=2), c=0.9, b=0.5)
    assert (units(found), found.left_out) == (["c", "b"], {"a": "surplus", "d": "surplus"})


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"seam": (0.0, 1.0)}, {"b": "limit", "c": "limit"}),
        ({"seam": (float("-inf"), 2.0)}, {"c": "limit"}),
        ({"noise": (0.0, 1.0)}, {"a": "limit", "b": "limit", "c": "limit"}),
    ],
)
def test_limits_hold_both_ends_and_want_a_figure(limits: dict[str, tuple[float, float]], left: dict[str, str]) -> None:
    three = [entry("a", checks={"seam": 1.0}), entry("b", checks={"seam": 2.0}), entry("c")]
    assert admitted(three, Rules(limits=limits)).left_out == left


def test_near_duplicates_of_one_another_and_of_their_source_are_left_out() -> None:
    four = [entry("a"), entry("b"), entry("c", checks={"changed_share": 0.04}), entry("d", "other")]
    rules, alike = Rules(least_change=0.05, least_bits=11), Unlike(("a", "b"), ("a", "d"))
    found = admitted(four, rules, alike)
    assert (units(found), found.left_out) == (["a"], {"b": "near-variant", "c": "near-source", "d": "near-variant"})
    assert units(admitted(four, Rules(), alike)) == ["a", "b", "c", "d"]
    assert units(admitted(four, rules, Unlike(("a", "b")))) == ["a", "d"]


@pytest.mark.parametrize(
    ("most", "taken"),
    [({"source": 1}, "ac"), ({"patient": 2}, "ab"), ({"label": 1}, "ad"), ({"source": 1, "label": 1}, "ad")],
)
def test_at_most_so_many_of_a_source_label_or_patient(most: Any, taken: str) -> None:
    four = [
        entry("a", "s", patients=("p",)),
        entry("b", "s", patients=("p",)),
        entry("c", "t", patients=("p",)),
        entry("d", "t", patients=("p",), labels=("cyst",)),
    ]
    found = admitted(four, Rules(most=most))
    assert "".join(units(found)) == taken
    assert set(found.left_out.values()) == {"quota"}


def test_strata_take_turns_until_one_is_used_up() -> None:
    many = [entry(f"a{n}", labels=("nodule",)) for n in range(6)] + [entry(f"b{n}", labels=("cyst",)) for n in range(2)]
    assert units(admitted(many, Rules(keep=4))) == ["a0", "a1", "a2", "a3"]
    found = admitted(many, Rules(keep=4, balance=("label",)))
    assert found.by("label") == {"nodule": 2, "cyst": 2}
    assert admitted(many, Rules(keep=6, balance=("label",))).by("label") == {"nodule": 4, "cyst": 2}


def test_a_stratum_whose_candidates_are_refused_goes_on_with_its_next() -> None:
    many = [entry("a", labels=("x",), checks={"seam": 9.0}), entry("b", labels=("x",), checks={"seam": 0.0})]
    many += [entry(f"c{n}", labels=("y",), checks={"seam": 0.0}) for n in range(3)]
    rules = Rules(keep=2, limits={"seam": (0.0, 1.0)}, balance=("label",))
    assert admitted(many, rules).by("label") == {"x": 1, "y": 1}
