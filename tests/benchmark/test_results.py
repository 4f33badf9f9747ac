"""From records to a sentence, on predictions that are drawn: no detector is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medaug.benchmark.design.design import Design, Training
from medaug.benchmark.detectors.detector import Point
from medaug.benchmark.evaluation import Boxes, as_data
from medaug.benchmark.images.dataset import Dataset, Picture
from medaug.benchmark.report.results_page import page
from medaug.benchmark.report.tables import markdown, sentence, signed
from medaug.benchmark.results import results_of
from medaug.benchmark.results_folder import TrainingRecord
from medaug.benchmark.training import BenchmarkSetup, judged
from medaug.imaging.seeds import generator

DESIGN = Design(arms=("real", "duplicates", "medaug"), fractions=(0.5,), seeds=3, folds=2, size=64, steps=8)
IMAGES = 48


def setup() -> BenchmarkSetup:
    rng = np.random.default_rng(1)
    pictures = []
    for n in range(IMAGES):
        left, top = rng.uniform(0, 40, 2)
        corners = np.round(np.array([[left, top, left + 20, top + 20]]), 2)
        pictures.append(Picture(f"{n:064}", np.zeros((0, 0), np.uint8), Boxes.labelled(corners, np.zeros(1, np.int64))))
    return BenchmarkSetup(DESIGN, Dataset(tuple(pictures), (), tuple(n // 2 for n in range(IMAGES)), ("lesion",)))


def record(setup: BenchmarkSetup, training: Training, skill: float) -> TrainingRecord:
    """A detector that finds a share of the boxes, and as much that isn't there."""
    rng = generator("drawn", training.id)
    found = {}
    for part, some in setup.parts(setup.folds[training.fold]).items():
        drawn = {}
        for picture in some:
            corners = picture.boxes.corners if rng.uniform() < skill else picture.boxes.corners + 30
            drawn[picture.source] = Boxes(corners, np.zeros(1, np.int64), rng.uniform(0.2, 1, 1))
        found[part] = as_data(drawn)
    return TrainingRecord(
        training.id,
        training.setting.arm,
        training.setting.fraction,
        training.setting.ratio,
        training.fold,
        training.seed,
        8,
        setup.real(training),
        (),
        0,
        (Point(4, 0.5, 0.2, 0.1), Point(8, 0.4, 0.1, skill)),
        judged(setup, training.fold, found),
        found,
        1.0,
    )


def results(setup: BenchmarkSetup, **skills: float) -> dict[str, Any]:
    done = [record(setup, one, skills.get(one.setting.arm, 0.4)) for one in setup.design.trainings]
    return results_of(setup, done)


def test_a_planted_effect_is_found_and_nothing_else_is_claimed() -> None:
    found = results(setup(), medaug=0.8)
    assert found["primary"]["low"] > 0.1
    assert found["primary"]["p"] < 0.01
    assert "variants at a ratio of 1 gain ." in sentence(found)
    (other,) = found["others"]
    assert (other["arm"]["arm"], other["control"]["arm"]) == ("real", "duplicates")
    assert other["low"] < 0 < other["high"]


def test_a_loss_is_called_one_and_no_difference_is_said_with_what_could_have_been_seen() -> None:
    assert "lose ." in sentence(results(setup(), medaug=0.05))
    nothing = results(setup())
    assert "no gain of variants at a ratio of 1 over duplicates was shown" in sentence(nothing)
    assert f"finds a true difference of {signed(nothing['primary']['detectable'])}" in sentence(nothing)


def test_one_seed_of_several_is_no_result_yet() -> None:
    some = setup()
    done = [record(some, one, 0.4) for one in DESIGN.trainings if one.seed == 0]
    told = results_of(some, done)
    assert sentence(told) == "Nothing can be said yet: 6 of 18 trainings are done."
    assert "6 of 18 trainings" in markdown(told)
    assert "<table>" in page(told)


def test_the_report_tells_every_arm_and_draws_every_curve() -> None:
    found = results(setup(), medaug=0.8)
    told, drawn = markdown(found), page(found)
    for arm in DESIGN.arms:
        assert f"| `{arm}` |" in told
        assert f"<td>{arm}</td>" in drawn
    assert drawn.count("<svg") == 3
    assert drawn.count("<polyline") == 9
    assert "<script" not in drawn


def test_a_row_is_the_mean_over_folds_and_seeds() -> None:
    some = setup()
    done = [record(some, one, 0.6) for one in DESIGN.trainings]
    (row,) = (row for row in results_of(some, done)["settings"] if row["arm"] == "real")
    values = [one.figures.ap50 for one in done if one.arm == "real"]
    assert row["ap50"] == pytest.approx(np.mean(values), abs=1e-5)
    scatter = [
        np.var([one.figures.ap50 for one in done if one.arm == "real" and one.fold == n], ddof=1) for n in (0, 1)
    ]
    assert row["ap50_seeds"] == pytest.approx(np.sqrt(np.mean(scatter)), abs=1e-5)


def test_the_table_holds_what_the_losses_came_to_and_a_dash_where_the_detector_tells_none() -> None:
    some = setup()
    done = [record(some, training, 0.5) for training in DESIGN.trainings]
    told = markdown(results_of(some, done))
    assert "loss: box / objectness |" in told
    assert told.count("| .400 / .100 |") == len(DESIGN.arms)
    for silent in ((), (Point(8, None, None, 0.5),)):
        without = [replace(one, curve=silent) for one in done]
        assert markdown(results_of(some, without)).count("| – / – |") == len(DESIGN.arms)
