from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medaug.errors import PriorError
from medaug.inverse.priors.card import SolverWeights
from medaug.inverse.priors.library.check import phantom
from medaug.training.calibration import (
    BUDGET,
    WeightFigures,
    calibrate,
    calibrated,
    lay_out,
    measure,
    objective,
    steps_where,
)
from tests.support.analytic import PixelPrior


def _images() -> torch.Tensor:
    return torch.cat([phantom(64), phantom(64).flip(-1)])


def _figures(observed: float, seam: float, omega: float = 1.0) -> WeightFigures:
    return WeightFigures(omega, 0.1, observed, seam, 1.0, 0.1, 0.1)


def test_a_residual_within_the_budget_goes_before_a_better_seam() -> None:
    nan = float("nan")
    order = [_figures(0.04, 1.2), _figures(0.01, 1.5), _figures(0.06, 1.0), _figures(0.2, 1.0), _figures(nan, nan)]
    assert sorted([order[i] for i in (4, 2, 0, 3, 1)], key=objective) == order


def test_the_weights_found_keep_what_is_observed_and_are_the_same_again() -> None:
    prior, x = PixelPrior(), _images()
    grid = ((1e-4, 1e-5), (0.1, 0.01))
    seen: list[WeightFigures] = []
    found = calibrate(prior, x, 30, 0.6, grid=grid, on_figures=seen.append)
    assert [(f.omega, f.gamma) for f in seen] == list(grid)
    assert found == calibrate(prior, x, 30, 0.6, grid=grid)
    assert found[0].omega == 0.1
    assert found[0].observed < BUDGET < found[1].observed


def test_the_card_gets_the_best_pair_for_this_solve_alone() -> None:
    other = SolverWeights("psld", 50, 0.8, 9.0, 9.0)
    old = SolverWeights("psld", 25, 0.6, 9.0, 9.0)
    card = replace(PixelPrior().card, weights=(old, other))
    new = calibrated(card, [_figures(0.04, 1.2, omega=0.3)], 25, 0.6)
    assert new.weights == (other, SolverWeights("psld", 25, 0.6, 0.3, 0.1))


@pytest.mark.parametrize("observed", [0.051, float("nan")])
def test_weights_that_miss_the_budget_are_not_written(observed: float) -> None:
    with pytest.raises(PriorError, match="the card was left as it is"):
        calibrated(PixelPrior().card, [_figures(observed, 1.0)], 25, 0.6)


def test_layouts_come_from_the_images_place_alone_and_lie_on_the_body() -> None:
    x = _images()
    one, both = lay_out(x[:1]), lay_out(x)
    assert torch.equal(one.observed[0], both.observed[0])
    assert (both.inside & ~both.protected).sum() == 0
    assert (both.protected & ~both.observed).sum() == 0
    with pytest.raises(PriorError, match="brighter than air"):
        lay_out(torch.full((1, 1, 64, 64), -1.0))


def test_steps_are_taken_inside_or_across() -> None:
    image = torch.zeros(1, 1, 4, 4)
    image[..., 2:] = 1.0
    right = image.bool()
    assert steps_where(image, right, across=True) == 1.0
    assert steps_where(image, torch.ones_like(right), across=False) == pytest.approx((4 / 24) ** 0.5)


def test_two_draws_show_their_difference() -> None:
    prior, x = PixelPrior(), _images()
    weights = SolverWeights("psld", 5, 0.6, 0.1, 0.01)
    figures, pasted = measure(prior, x, lay_out(x), weights)
    assert figures.diversity
    assert figures.diversity > 0
    assert torch.equal(pasted[lay_out(x).protected], x[lay_out(x).protected])


def test_calibrating_needs_a_card_of_ones_own(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from medaug.cli import app

    result = CliRunner().invoke(app, ["prior", "calibrate", "embedded", str(tmp_path)])
    assert isinstance(result.exception, PriorError)
    assert "copy it with `medaug prior add`" in str(result.exception)
