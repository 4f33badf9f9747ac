"""The rule of the defaults, on rows that are made up; and what it says today is what the package does."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest

from medaug.cli.benchmark import benchmark_command
from medaug.profile.load import load_profile
from tests.benchmarks import does_it_help, utility_rule
from tests.benchmarks.utility_rule import Setting, chosen, section, settings_of

GOOD = Setting("good", 0.55, (0.04, 0.01, 0.07), 0.0)


def data() -> dict[str, list[dict[str, object]]]:
    return json.loads(does_it_help.DATA.read_text())  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "worse",
    [
        replace(GOOD, auc=0.61),
        replace(GOOD, auc=None),
        replace(GOOD, gain=(0.02, 0.01, 0.03)),
        replace(GOOD, gain=(0.04, -0.001, 0.08)),
        replace(GOOD, gain=None),
        replace(GOOD, over_naive=-0.001),
        replace(GOOD, over_naive=None),
    ],
)
def test_each_step_of_the_rule_strikes_a_setting_out(worse: Setting) -> None:
    assert chosen([worse]) is None
    assert chosen([worse, GOOD]) == GOOD
    assert "so `today` stays" in section([worse], "today")[-1]


def test_of_those_that_are_left_the_most_useful_is_taken() -> None:
    better = replace(GOOD, name="better", gain=(0.05, 0.001, 0.1))
    assert chosen([GOOD, better]) == better
    assert section([GOOD, better], "today")[-1].endswith("`better` is the default.")


def test_the_default_of_the_package_is_what_the_rule_leaves_standing() -> None:
    limbs = [one for one in data()["comparisons"] if does_it_help.name_of(one) == "fracatlas"]
    settings = settings_of(limbs)
    taken = chosen(settings)
    default = inspect.signature(benchmark_command).parameters["profile"].default
    assert default == (taken.name if taken else "bone-xray")
    assert any(one.gain for one in settings)
    assert {one.name.partition("@")[0] for one in settings} >= {"bone-xray", *utility_rule.LAWS}
    assert {one.auc for one in settings} >= {load_profile("bone-xray").strengths.medium.measured.auc}  # type: ignore[union-attr]


def test_the_page_is_what_its_figures_make() -> None:
    told = data()
    assert does_it_help.PAGE.read_text() == does_it_help.page(told["comparisons"], told.get("searches", []))
