from __future__ import annotations

import numpy as np
import pytest

from medaug.benchmark import evaluation
from medaug.benchmark.evaluation import Boxes


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """(x0, y0, x1, y1, class[, score]) each."""
    table = np.array([(*row, 1.0)[:6] for row in rows], dtype=np.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


def scene(seed: int, images: int = 30) -> tuple[list[Boxes], list[Boxes]]:
    """Labels of two classes, and detections that are near them, elsewhere, or missing."""
    rng = np.random.default_rng(seed)
    labels, found = [], []
    for _ in range(images):
        corners = rng.uniform(0, 200, (rng.integers(0, 4), 2))
        rows = [(x, y, x + 30, y + 40, int(rng.integers(2))) for x, y in corners]
        labels.append(boxes(*rows))
        near = [(*(np.array(row[:4]) + rng.normal(0, 4, 4)), row[4], rng.uniform(0.3, 1)) for row in rows]
        stray = [(x, y, x + 30, y + 40, int(rng.integers(2)), rng.uniform()) for x, y in rng.uniform(0, 200, (2, 2))]
        found.append(boxes(*[row for row in (*near, *stray) if rng.uniform() < 0.8]))
    return labels, found


@pytest.mark.parametrize("seed", range(3))
def test_the_weighted_precision_is_pycocotools_own(seed: int) -> None:
    labels, found = scene(seed)
    weights = np.random.default_rng(seed).multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=2)
    repeated = [
        (
            [one for one, count in zip(labels, row, strict=True) for _ in range(count)],
            [one for one, count in zip(found, row, strict=True) for _ in range(count)],
        )
        for row in (np.ones(len(labels), dtype=int), *weights)
    ]
    expected = [evaluation.average_precision(*one, classes=2)[0] for one in repeated]
    matches = evaluation.matched(labels, found, 2)
    all_weights = np.vstack([np.ones(len(labels)), weights])
    assert evaluation.ap50(matches, all_weights) == pytest.approx(expected, abs=1e-9)


def test_sizes_that_are_not_there_have_no_figure() -> None:
    labels = [boxes((0, 0, 40, 40, 0))]
    half, mean, small, medium, large = evaluation.average_precision(labels, labels, 1)
    assert (half, mean, medium) == pytest.approx((1, 1, 1))
    assert np.isnan([small, large]).all()


def test_f1_is_that_of_the_threshold_that_validation_chose() -> None:
    labels = [boxes((0, 0, 10, 10, 0)), boxes((50, 50, 60, 60, 0))]
    found = [boxes((0, 0, 10, 10, 0, 0.9), (80, 80, 90, 90, 0, 0.5)), boxes((50, 50, 60, 60, 0, 0.6))]
    matches = evaluation.matched(labels, found, 1)
    assert evaluation.best_threshold(matches) == 0.6
    assert evaluation.f1_at(matches, 0.6) == 1
    assert evaluation.f1_at(matches, 0.5) == pytest.approx(4 / 5)
    assert evaluation.f1_at(matches, 0.7) == pytest.approx(2 / 3)


def test_froc_counts_what_is_found_on_normal_images() -> None:
    labels = [boxes((0, 0, 10, 10, 0)), boxes((50, 50, 60, 60, 0))]
    found = [boxes((0, 0, 10, 10, 0, 0.9)), boxes((50, 50, 60, 60, 0, 0.4))]
    matches = evaluation.matched(labels, found, 1)
    assert evaluation.froc(matches, []) == (1.0,) * 7
    normals = [boxes((1, 1, 5, 5, 0, 0.5)), boxes((1, 1, 5, 5, 0, 0.6))]  # two false ones of four images
    assert evaluation.froc(matches, normals) == (0.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_predictions_come_back_as_they_were_stored() -> None:
    _, found = scene(5, images=4)
    names = [f"i{n}" for n in range(4)]
    data = evaluation.as_data(dict(zip(names, found, strict=True)))
    again = evaluation.as_data(evaluation.from_data(data, names))
    assert sorted(map(str, again)) == sorted(map(str, data))
    with pytest.raises(KeyError):
        evaluation.from_data(data, names[1:])
