"""The public code's arithmetic has the defects that it is there to have: else nothing is measured against it."""

from __future__ import annotations

from functools import partial

import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.psld import psld
from tests.benchmarks.upstream import upstream
from tests.support.analytic import GaussianPrior

WEIGHTS = {"steps": 50, "omega": 0.1, "gamma": 0.02}


def problem() -> tuple[GaussianPrior, Inpainting, torch.Tensor]:
    prior = GaussianPrior()
    generator = torch.Generator().manual_seed(1)
    xs = torch.cat([prior.sample(generator) * factor for factor in (1.0, 3.0)])
    return prior, Inpainting(torch.rand(1, 1, 8, 8, generator=generator) < 0.4), xs


def test_batch_mates_pull_on_each_other_as_they_do_not_in_psld() -> None:
    prior, operator, xs = problem()
    y, differences = operator.forward(xs), {}
    for name, solve in {"upstream": partial(upstream, measurement_noise=0.0), "psld": psld}.items():
        together = solve(Problem(prior, operator, y, SampleNoise([1, 2])), **WEIGHTS)[:1]
        alone = solve(Problem(prior, operator, y[:1], SampleNoise([1])), **WEIGHTS)
        differences[name] = float((together - alone).abs().max())
    assert differences["upstream"] > 0.01
    assert differences["psld"] < 1e-4


def test_fewer_steps_are_less_guidance() -> None:
    prior, operator, xs = problem()
    y, x = operator.forward(xs[:1]), xs[:1]
    left = {}
    for steps in (20, 400):
        result = upstream(Problem(prior, operator, y, SampleNoise([1])), **WEIGHTS | {"steps": steps})
        left[steps] = float(operator.forward(result - x).norm())
    assert left[20] > 2 * left[400]


def test_noise_in_the_prediction_keeps_the_observed_pixels_from_being_explained() -> None:
    prior, operator, xs = problem()
    y, x = operator.forward(xs[:1]), xs[:1]
    solve = partial(upstream, **WEIGHTS | {"steps": 400})
    clean, noisy = (
        float(
            operator.forward(solve(Problem(prior, operator, y, SampleNoise([1])), measurement_noise=level) - x).norm()
        )
        for level in (0.0, 0.2)
    )
    assert noisy > 1.5 * clean
