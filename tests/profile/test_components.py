"""What specs say of themselves: a fact about a kind is stated in one place, for every kind there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytest
from mypy import api as mypy

from medaug import assemble
from medaug.audit.methods import REGIONS
from medaug.imaging.boxes import Box
from medaug.inverse.priors.card import EMBEDDED, read_card
from medaug.profile import components
from medaug.profile.components import LawKind, LawSpec, Margin, keeps_boxes
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.profile.solvers import OperatorSpec, SolverSpec, Spec, degrades, meets_decoder
from tests.support.paths import ROOT

KINDS: tuple[LawKind, ...] = get_args(LawKind)
OWN: dict[str, dict[str, Any]] = {"random": {"rate": 0.2}}  # what a law needs beside its margin
BOXES = (Box((0, 10, 12), (1, 22, 30), "a"), Box((0, 30, 26), (1, 40, 40), "b"))


class Toy(Spec):
    """A law that nobody has told anything of."""

    kind: Literal["toy"] = "toy"
    margin: Margin = Margin(value=0)


def with_law(law: object) -> Profile:
    return load_profile("paper").model_copy(update={"regions": law})


def stated(kind: LawKind) -> Profile:
    if kind == "classic":
        return load_profile("bone-xray-classic")
    law = {"kind": kind, "margin": {"value": 0}} | OWN.get(kind, {})
    return Profile.model_validate(load_profile("paper").model_dump() | {"regions": law})


def test_every_law_of_a_profile_is_known_wherever_its_kind_is_asked_for() -> None:
    assert {get_args(spec.model_fields["kind"].annotation)[0] for spec in get_args(LawSpec)} == set(KINDS)
    assert set(REGIONS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_law_protects_what_it_says_and_what_is_protected_on_the_native_grid(kind: LawKind) -> None:
    tools = assemble.present_tools(stated(kind), read_card(EMBEDDED))
    domain = np.zeros((1, 64, 48), dtype=np.bool_)
    domain[:, :, :40] = True
    regions = tools.law(domain, BOXES, 3, (1.0, 1.0, 1.0))
    assert (regions.protected == tools.protect(domain, BOXES)).all()
    assert {bool(regions.protected[box.slices].all()) for box in BOXES} == {keeps_boxes(kind)}
    assert {bool(regions.protected[box.slices].any()) for box in BOXES} == {keeps_boxes(kind)}


def test_a_law_that_nobody_has_told_anything_of_is_neither_run_nor_verified() -> None:
    with pytest.raises(AssertionError):
        keeps_boxes("toy")  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        assemble.present_tools(with_law(Toy()), read_card(EMBEDDED))


@pytest.mark.long
@pytest.mark.parametrize("told", [False, True])
def test_the_type_checker_asks_a_new_law_whether_it_keeps_the_boxes(told: bool, tmp_path: Path) -> None:
    text = Path(str(components.__file__)).read_text()
    for pattern, new in (
        (r"(LawKind = Literal\[.*)\]", r'\1, "toy"]'),
        (r'(case ".*\| "inside".*):', r'\1 | "toy":'),  # it neither moves nor transplants
        (r'case "inside":', 'case "inside" | "toy":' if told else 'case "inside":'),
    ):
        text, found = re.subn(pattern, new, text)
        assert found, pattern
    (tmp_path / "components.py").write_text(text)
    said, _, status = mypy.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"),
         "--follow-imports", "silent", str(tmp_path / "components.py")]
    )  # fmt: skip
    assert (status == 0) is told, said
    assert told or "assert_never" in said


def test_every_solver_and_every_operator_says_what_it_meets() -> None:
    solvers = [spec.model_construct() for spec in get_args(get_args(SolverSpec)[0])]
    operators = [spec.model_construct() for spec in get_args(get_args(OperatorSpec)[0])]
    assert [type(spec).__name__ for spec in solvers if not meets_decoder(spec)] == ["BlendSpec"]
    assert [type(spec).__name__ for spec in operators if not degrades(spec)] == ["NoOperator"]
