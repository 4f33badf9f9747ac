"""The solvers' contract, held with each lever pulled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Beside, Downsampling, Inpainting
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.guided_ddim import CLOSING_NOISE, Guidance, closed, measured_values
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from tests.support.analytic import GaussianPrior

SOLVERS: dict[str, Callable] = {
    "psld": partial(psld, t0=1.0, omega=0.1, gamma=0.02),
    "diffstategrad": partial(diffstategrad, t0=1.0, omega=0.1, gamma=0.02),
    "ddnm": partial(ddnm, t0=1.0, iterations=8, sigma_y=0.02),
    "project": partial(project, t0=1.0),
    "latino": partial(latino, t0=1.0),
    "blend": partial(blend, t0=1.0),
}
GUIDANCES = {
    "every second step": Guidance(every=2),
    "until inside the budget": Guidance(budget=0.1),
    "small autoencoder above 0.3": Guidance(fast_above=0.3),
    "closed": Guidance(closing=2),
    "closed where outside the budget": Guidance(closing=2, budget=0.001),
}
ENOUGH = dict.fromkeys(GUIDANCES, 8) | {"until inside the budget": 50}  # steps in which a lever does something
PULLED = [(s, k) for s in SOLVERS for k in GUIDANCES if s != "blend" or k == "every second step"]
PULLED.remove(("latino", "closed where outside the budget"))  # it ends on the measurement, where the decoder is exact


class Both(GaussianPrior):
    """A closed-form prior with a small autoencoder that is a little off, its calls counted apart."""

    def small_encode(self, x: Tensor) -> Tensor:
        self.calls["small encode"] += 1
        return 0.97 * (x.flatten(1).double() @ self.Q.T).reshape(x.shape).to(x.dtype)

    def small_decode(self, z: Tensor) -> Tensor:
        self.calls["small decode"] += 1
        return 0.97 * (z.flatten(1).double() @ self.Q).reshape(z.shape).to(z.dtype)

    def as_latent(self) -> LatentPrior:
        fields = dict.fromkeys(("licence", "attribution", "trained_on"), "none")
        card = PriorCard("closed form", "0" * 64, **fields, size=8, channels=1, stride=1, latent_channels=1,
                         prediction_type="sample")  # fmt: skip
        small = (self.small_encode, self.small_decode)
        return LatentPrior(card, self.alphas_cumprod, self.encode, self.decode, self.denoise, fast=small)


def problem(solver: str) -> tuple[Both, Inpainting, Tensor]:
    prior = Both(mixed=solver != "blend")  # blending needs latents that lie where their pixels do
    generator = torch.Generator().manual_seed(1)
    x = prior.sample(generator)
    return prior, Inpainting(torch.rand(1, 1, 8, 8, generator=generator) < 0.4), x


def solved(prior: Both, operator: Inpainting, x: Tensor, solver: str, lever: str, seeds, steps: int) -> Tensor:
    run = partial(SOLVERS[solver], steps=steps, guidance=GUIDANCES[lever])
    return run(Problem(prior.as_latent(), operator, operator.forward(x), SampleNoise(seeds)))


# blending doesn't draw from the posterior, with or without levers: see test_solvers
@pytest.mark.parametrize(("solver", "lever"), [pair for pair in PULLED if pair[0] != "blend"])
def test_the_mean_of_draws_still_approaches_the_exact_posterior_mean(solver: str, lever: str) -> None:
    prior, operator, x = problem(solver)
    result = solved(prior, operator, x.expand(64, -1, -1, -1), solver, lever, range(64), steps=50)
    exact = prior.posterior_mean(operator.observed, x)[0, 0]
    free = ~operator.observed[0, 0]
    error = (result.mean(0)[0] - exact)[free].square().mean().sqrt()
    assert error < 0.4 * exact[free].square().mean().sqrt()


@pytest.mark.parametrize(("solver", "lever"), PULLED)
def test_same_seed_same_bytes_and_the_lever_does_something(solver: str, lever: str) -> None:
    prior, operator, x = problem(solver)
    state = torch.random.get_rng_state()
    steps = ENOUGH[lever]
    first, again = (solved(prior, operator, x, solver, lever, [5], steps) for _ in range(2))
    at_rest = SOLVERS[solver](Problem(prior.as_latent(), operator, operator.forward(x), SampleNoise([5])), steps=steps)
    assert torch.equal(first, again)
    assert not torch.equal(first, at_rest)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(("solver", "lever"), PULLED)
def test_no_sample_depends_on_its_batch_mates(solver: str, lever: str) -> None:
    """With a budget, samples stop being guided at different steps."""
    prior, operator, x = problem(solver)
    xs = torch.cat([x * (1 - 0.25 * b) for b in range(5)])  # the last is 0: explained long before the first
    together = solved(prior, operator, xs, solver, lever, range(5), ENOUGH[lever])
    alone = [solved(prior, operator, xs[b : b + 1], solver, lever, [b], ENOUGH[lever]) for b in range(5)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)


def test_ancestral_noise_is_the_same_whether_a_step_is_guided_or_not() -> None:
    prior, operator, x = problem("ddnm")
    xs = torch.cat([x, 0 * x])
    run = partial(ddnm, steps=10, t0=1.0, eta=1.0, guidance=Guidance(budget=0.2))
    together = run(Problem(prior, operator, operator.forward(xs), SampleNoise([1, 2])))
    alone = run(Problem(prior, operator, operator.forward(xs[1:]), SampleNoise([2])))
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("solver", "guided"),
    [
        ("psld", {"encode": 1, "decode": 1}),
        ("diffstategrad", {"encode": 1, "decode": 1}),
        ("ddnm", {"decode": 1 + 8}),
        ("project", {"encode": 2, "decode": 1}),
        ("latino", {"encode": 1, "decode": 1}),
        ("blend", {}),
    ],
)
def test_what_a_lever_saves_in_network_calls(solver: str, guided: dict[str, int]) -> None:
    prior, operator, x = problem(solver)
    latents, y = prior.as_latent(), operator.forward(x)
    start = latents.encode(x)

    def calls(guidance: Guidance) -> Counter[str]:
        prior.calls.clear()
        SOLVERS[solver](Problem(latents, operator, y, SampleNoise([0]), start=start), steps=7, guidance=guidance)
        return Counter(prior.calls)

    def expected(steps: int, **others: int) -> Counter[str]:
        return Counter({k: steps * n for k, n in guided.items()}) + Counter(decode=1, denoise=7) + Counter(others)

    assert calls(Guidance()) == expected(7)
    assert calls(Guidance(every=3)) == expected(3)  # the first, the fourth and the last
    assert calls(Guidance(closing=2)) == expected(7, decode=1 + 2)
    if solver != "blend":
        assert calls(Guidance(budget=10.0)) == expected(1)  # explained as soon as it is looked at
        assert calls(Guidance(budget=1e-9)) == expected(7)
        small = {f"small {k}": 4 * n for k, n in guided.items()}
        assert calls(Guidance(fast_above=0.5)) == expected(3, **small)


def test_above_its_share_of_the_times_the_small_autoencoder_is_used_and_never_for_the_result() -> None:
    prior, operator, x = problem("psld")
    prior.calls.clear()
    solved(prior, operator, x, "psld", "small autoencoder above 0.3", [0], steps=10)
    # times 999, 899, … 300, 200, 100: eight are at 300 or above; begin() encodes once for the shape
    assert prior.calls == Counter(
        {"denoise": 10, "small decode": 8, "small encode": 8, "decode": 2 + 1, "encode": 2 + 1}
    )
    without = replace(prior.as_latent(), fast=None)
    y = operator.forward(x)
    pulled, at_rest = (
        psld(Problem(without, operator, y, SampleNoise([0])), steps=10, guidance=guidance)
        for guidance in (Guidance(fast_above=0.3), Guidance())
    )
    assert torch.equal(pulled, at_rest)


def test_guidance_that_stops_leaves_the_residual_near_its_budget() -> None:
    prior, operator, x = problem("ddnm")
    count = operator.observed.sum()
    left = {}
    for budget in (0.05, 0.2, None):
        run = partial(SOLVERS["ddnm"], steps=25, guidance=Guidance(budget=budget))
        result = run(Problem(prior, operator, operator.forward(x), SampleNoise([3])))
        left[budget] = float((operator.forward(result - x).square().sum() / count).sqrt())
    assert left[None] <= left[0.05] < left[0.2] < 0.4


def test_the_values_of_a_measurement_are_counted_by_sample() -> None:
    observed = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    observed[0, :, :2] = True
    x = torch.zeros(2, 1, 8, 8)
    regions = Inpainting(observed)
    for operator, expected in ((regions, [16, 1]), (Beside(regions, Downsampling(2)), [16 + 16, 16])):
        asked = Problem(GaussianPrior(), operator, operator.forward(x), SampleNoise([1, 2]))
        assert measured_values(asked).tolist() == expected


@pytest.mark.parametrize("iterations", [1, 20])
def test_a_closing_is_the_regularised_least_squares_answer_where_the_decoder_is_linear(iterations: int) -> None:
    """Orthonormal latents: what is observed moves by 1 / (1 + rho) of what it missed, and nothing else moves."""
    prior, operator, x = problem("psld")
    other, abar = prior.sample(torch.Generator().manual_seed(9)), 0.98
    rho = CLOSING_NOISE**2 / (1 - abar)
    asked = Problem(prior, operator, operator.forward(x), SampleNoise([0]))
    z = closed(asked, prior.encode(other), abar, Guidance(closing=iterations))
    expected = torch.where(operator.observed, (x + rho * other) / (1 + rho), other)
    torch.testing.assert_close(prior.decode(z), expected, atol=2e-4, rtol=0)
    unmoved = prior.decode(prior.encode(other))
    assert (unmoved - expected).abs().max() > 0.1  # the comparison can fail


def test_a_closing_through_a_mixing_operator_is_the_exact_answer_once_it_may_iterate() -> None:
    prior, regions, x = problem("psld")
    operator, abar, z0 = Beside(regions, Downsampling(2)), 0.98, torch.zeros(1, 1, 8, 8)
    units = torch.eye(64).reshape(64, 1, 8, 8)
    columns = [
        Beside(Inpainting(regions.observed.expand(64, -1, -1, -1)), Downsampling(2)).forward(prior.decode(units))
    ]
    a, y = columns[0].flatten(1).T.double(), operator.forward(x)
    rho = CLOSING_NOISE**2 / (1 - abar)
    exact = torch.linalg.solve(a.T @ a + rho * torch.eye(64).double(), a.T @ y.flatten().double())
    asked = Problem(prior, operator, y, SampleNoise([0]))
    many, few = (closed(asked, z0, abar, Guidance(closing=n)).flatten().double() for n in (40, 1))
    torch.testing.assert_close(many, exact, atol=1e-3, rtol=0)
    assert (few - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_closing_explains_more_and_none_changes_no_bit(solver: str) -> None:
    prior, operator, x = problem("psld")
    at_rest, off, few, two = (
        SOLVERS[solver](Problem(prior.as_latent(), operator, operator.forward(x), SampleNoise([3])), steps=6, **given)
        for given in ({}, *({"guidance": Guidance(closing=n)} for n in (0, 1, 2)))
    )
    left = [float(operator.forward(result - x).norm()) for result in (at_rest, few, two)]
    assert torch.equal(at_rest, off)
    assert left[1] < 0.7 * left[0]
    assert left[2] < 0.7 * left[0]


def test_what_is_inside_the_budget_is_not_closed_and_its_batch_mate_is() -> None:
    """A measurement with noise: a sample that misses it by no more than the noise has nothing left to learn of it."""
    prior, operator, x = problem("psld")
    noise = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(4))
    y = operator.forward(x + noise).expand(2, -1, -1, -1)
    far = prior.sample(torch.Generator().manual_seed(9))
    z = prior.encode(torch.cat([x, far]))
    spread = float((operator.forward(noise).square().sum() / operator.observed.sum()).sqrt())
    asked = Problem(prior, operator, y, SampleNoise([0, 0]))
    kept = closed(asked, z, 0.98, Guidance(closing=5, budget=1.01 * spread))
    fitted = closed(asked, z, 0.98, Guidance(closing=5))
    assert torch.equal(kept[0], z[0])
    assert torch.equal(kept[1], fitted[1])
    assert not torch.equal(fitted[0], z[0])  # without a budget the noise is fitted
