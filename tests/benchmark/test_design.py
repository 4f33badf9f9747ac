from __future__ import annotations

import pytest

from medaug.benchmark.design.design import Contrast, Design, Setting
from medaug.errors import RunError
from medaug.storage.canonical_json import canonical
from medaug.storage.json_dataclass import decode


def test_the_primary_contrast_stands_before_the_run() -> None:
    design = Design(fractions=(0.5, 0.25), ratios=(2.0, 1.0))
    assert design.primary == Contrast(Setting("medaug", 0.25, 1.0), Setting("duplicates", 0.25, 1.0))
    assert design.primary not in design.others
    assert Contrast(Setting("naive+medaug", 0.5, 2.0), Setting("naive", 0.5, 2.0)) in design.others
    assert Contrast(Setting("real", 0.5, 0.0), Setting("duplicates", 0.5, 1.0)) in design.others


def test_what_is_trained_with_naive_copies_is_held_to_them() -> None:
    arms = ("duplicates", "naive", "naive-pretraining", "pretraining", "pretraining+naive:mine")
    held = [
        contrast.arm.arm
        for contrast in Design(arms=arms, declared="pretraining").others
        if contrast.control.arm == "naive"
    ]
    assert held == ["pretraining+naive:mine"]


def test_another_arm_may_be_the_declared_one_and_medaug_be_missing_then() -> None:
    design = Design(arms=("duplicates", "naive", "naive+medaug"), declared="naive+medaug")
    assert design.primary == Contrast(Setting("naive+medaug", 0.25, 1.0), Setting("duplicates", 0.25, 1.0))
    assert design.primary not in design.others
    assert set(design.within(1, 0, 10).arms) == {"duplicates", "naive+medaug"}
    assert design.data["declared"] == "naive+medaug"
    assert "declared" not in Design().data  # as it was written before there was a choice
    assert decode(Design, canonical(design.data), "design") == design
    assert decode(Design, canonical(Design().data), "design") == Design()


def test_every_contrast_compares_settings_that_are_trained() -> None:
    design = Design(fractions=(0.1, 1.0), ratios=(0.25, 2.0))
    trained = set(design.settings)
    assert all({one.arm, one.control} <= trained for one in (design.primary, *design.others))
    assert len(trained) == 2 * (1 + 4 * 2)
    assert len({training.id for training in design.trainings}) == len(trained) * design.seeds * design.folds


def test_a_budget_takes_seeds_first_then_arms_and_leaves_the_primary_contrast() -> None:
    design = Design(seeds=5)
    assert design.within(1e9, 0, 10) == design
    assert design.within(5 * 3 * 3 * 10, 0, 10).seeds == 3
    fewer = design.within(2 * 3 * 3 * 10, 0, 10)
    assert (fewer.seeds, fewer.arms) == (2, ("real", "duplicates", "medaug"))
    assert set(design.within(1, 0, 10).arms) == {"duplicates", "medaug"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"arms": ("medaug",)},
        {"declared": "paper"},
        {"declared": "duplicates"},
        {"declared": "real"},
        {"seeds": 1},
        {"folds": 1},
        {"fractions": (0.0,)},
        {"ratios": (0.0,)},
        {"size": 300},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RunError, match="benchmark"):
        Design(**wrong)  # type: ignore[arg-type]
