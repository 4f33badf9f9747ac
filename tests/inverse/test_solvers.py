from __future__ import annotations

from functools import partial

import pytest
import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.schedule import times
from medaug.inverse.solvers.psld import psld
from tests.analytic import GaussianPrior

SOLVERS = {
    "psld from pure noise": partial(psld, steps=100, t0=1.0, omega=0.1, gamma=0.02),
    "psld in few steps": partial(psld, steps=25, t0=1.0, omega=0.1, gamma=0.02),
}


def problem(seed: int = 1) -> tuple[GaussianPrior, Inpainting, torch.Tensor]:
    prior = GaussianPrior()
    generator = torch.Generator().manual_seed(seed)
    x = prior.sample(generator)
    observed = torch.rand(1, 1, 8, 8, generator=generator) < 0.4
    return prior, Inpainting(observed), x


@pytest.mark.parametrize("name", SOLVERS)
def test_the_mean_of_draws_approaches_the_exact_posterior_mean(name: str) -> None:
    prior, operator, x = problem()
    draws = 64
    y = operator.forward(x).expand(draws, -1, -1, -1)
    result = SOLVERS[name](prior, operator, y, noise=SampleNoise(range(draws)))
    exact = prior.posterior_mean(operator.observed, x)
    free = ~operator.observed[0, 0]
    error = (result.mean(0) - exact[0])[0, free].pow(2).mean().sqrt()
    of_zero = exact[0, 0][free].pow(2).mean().sqrt()
    assert error < 0.35 * of_zero
    assert result[:, 0, free].std(0).mean() > 0.02  # draws differ where nothing was observed


@pytest.mark.parametrize("name", SOLVERS)
def test_the_observed_pixels_are_explained(name: str) -> None:
    prior, operator, x = problem()
    result = SOLVERS[name](prior, operator, operator.forward(x), noise=SampleNoise([3]))
    residual = (operator.forward(result - x)).pow(2).sum() / operator.observed.sum()
    assert residual.sqrt() < 0.15 * x.std()


@pytest.mark.parametrize("name", SOLVERS)
def test_a_batch_of_eight_equals_eight_batches_of_one(name: str) -> None:
    prior, operator, x = problem()
    xs = torch.cat([x * (1 - 0.2 * b) for b in range(8)])
    y = operator.forward(xs)
    together = SOLVERS[name](prior, operator, y, noise=SampleNoise(range(8)))
    alone = [SOLVERS[name](prior, operator, y[b : b + 1], noise=SampleNoise([b])) for b in range(8)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)
    swapped = SOLVERS[name](prior, operator, y, noise=SampleNoise(reversed(range(8))))
    assert (together - swapped).abs().max() > 0.01  # the comparison can fail


@pytest.mark.parametrize("name", SOLVERS)
def test_same_seed_same_bytes_and_global_state_untouched(name: str) -> None:
    prior, operator, x = problem()
    state = torch.random.get_rng_state()
    first, again = (SOLVERS[name](prior, operator, operator.forward(x), noise=SampleNoise([5])) for _ in range(2))
    other = SOLVERS[name](prior, operator, operator.forward(x), noise=SampleNoise([6]))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_psld_calls_the_networks_as_often_as_it_says() -> None:
    prior, operator, x = problem()
    start = prior.encode(x)
    prior.calls.clear()
    psld(prior, operator, operator.forward(x), noise=SampleNoise([0]), start=start, steps=7, t0=0.5)
    assert prior.calls == {"denoise": 7, "encode": 7, "decode": 8}


def test_psld_from_pure_noise_knows_nothing_of_the_source() -> None:
    prior, operator, x = problem()
    solve = partial(psld, prior, operator, operator.forward(x), steps=5)
    informed, blind = (solve(noise=SampleNoise([3]), start=s, t0=1.0) for s in (prior.encode(x), None))
    assert torch.equal(informed, blind)
    assert not torch.equal(blind, solve(noise=SampleNoise([3]), start=prior.encode(x), t0=0.9))


def test_psld_guidance_does_not_shrink_with_the_number_of_steps() -> None:
    prior, operator, x = problem()
    y = operator.forward(x)
    residuals = {}
    for steps in (20, 200):
        result = psld(prior, operator, y, noise=SampleNoise([2]), steps=steps, omega=0.05, gamma=0.0)
        residuals[steps] = float(operator.forward(result - x).norm())
    unguided = psld(prior, operator, y, noise=SampleNoise([2]), steps=20, omega=0.0, gamma=0.0)
    assert residuals[20] < 3 * residuals[200] + 0.1
    assert residuals[20] < 0.5 * float(operator.forward(unguided - x).norm())


def test_psld_ancestral_noise_is_drawn_from_each_samples_own_stream() -> None:
    prior, operator, x = problem()
    y = operator.forward(x).expand(2, -1, -1, -1)
    solve = partial(psld, steps=10, omega=0.1, gamma=0.02, eta=1.0)
    together = solve(prior, operator, y, noise=SampleNoise([1, 2]))
    alone = solve(prior, operator, y[1:], noise=SampleNoise([2]))
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


def test_times_fall_to_clean_and_refuse_more_steps_than_there_are() -> None:
    abar = torch.linspace(0.999, 0.001, 1000)
    schedule = times(abar, 10, 0.6)
    assert schedule[0][0] == 599
    assert schedule[-1][2] == 1.0
    assert [t for t, _, _ in schedule] == sorted({t for t, _, _ in schedule}, reverse=True)
    assert len(times(abar, 1000, 1.0)) == 1000
    with pytest.raises(ValueError, match="steps"):
        times(abar, 601, 0.6)
