from __future__ import annotations

import pytest

from medaug.audit.agreement import Agreement, agreements
from medaug.audit.decisions import Decision, Words
from tests.support.records import digest


def words(**verdicts: str) -> Words:
    """What each reader said of a unit: a(ccepted), r(ejected), w(ithdrawn), f(inal acceptance), or by rule x."""
    names = {"a": "accepted", "r": "rejected", "w": "withdrawn", "f": "accepted", "x": "rejected"}
    return Words(
        tuple(
            Decision(
                unit=digest("u"),
                verdict=names[said],  # type: ignore[arg-type]
                reader=reader,
                reason="other" if names[said] == "rejected" else "",
                seen=digest("s"),
                made="2026",
                how="rule" if said == "x" else "page",
                final=said == "f",
            )
            for reader, said in verdicts.items()
        )
    )


def test_kappa_is_cohens() -> None:
    """The example of the article on kappa: 20 both yes, 5 and 10 apart, 15 both no: 0.4."""
    (found,) = agreements(
        [words(A="a", B="a")] * 20 + [words(A="a", B="r")] * 5 + [words(A="r", B="a")] * 10 + [words(A="r", B="r")] * 15
    )
    assert found == Agreement(("A", "B"), 20, 15, 5, 10)
    assert (found.units, found.raw, found.kappa) == (50, pytest.approx(0.7), pytest.approx(0.4))


def test_only_what_both_decided_blind_counts() -> None:
    assert agreements([words(A="a", B="w"), words(A="f", B="a"), words(A="a", select="x"), words(B="r")]) == ()


def test_every_pair_is_told() -> None:
    found = agreements([words(A="a", B="r", C="r"), words(A="a", B="a")])
    assert [(one.readers, one.units, one.raw) for one in found] == [
        (("A", "B"), 2, 0.5),
        (("A", "C"), 1, 0.0),
        (("B", "C"), 1, 1.0),
    ]


def test_where_both_always_say_one_thing_kappa_is_not_defined() -> None:
    (found,) = agreements([words(A="a", B="a")] * 3)
    assert (found.raw, found.kappa) == (1.0, None)
    assert (Agreement(("A", "B"), 0, 0, 0, 0).raw, Agreement(("A", "B"), 0, 0, 0, 0).kappa) == (None, None)
