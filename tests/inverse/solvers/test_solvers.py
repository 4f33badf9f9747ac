from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Beside, Downsampling, Inpainting, gaussian_blur, jpeg
from medaug.inverse.priors.rectified_flow import flow_schedule
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.conjugate_gradients import conjugate_gradients, explain
from medaug.inverse.sampling.schedule import times
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad, into_state
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from tests.benchmarks.solver_few_steps import ding
from tests.support.analytic import GaussianPrior, PixelPrior

SOLVERS = {
    "psld from pure noise": partial(psld, steps=100, t0=1.0, omega=0.1, gamma=0.02),
    "psld in few steps": partial(psld, steps=25, t0=1.0, omega=0.1, gamma=0.02),
    "diffstategrad": partial(diffstategrad, steps=25, t0=1.0, omega=0.1, gamma=0.02),
    "ddnm": partial(ddnm, steps=25, t0=1.0, iterations=8, sigma_y=0.02),
    "ddnm with ancestral noise": partial(ddnm, steps=25, t0=1.0, iterations=8, sigma_y=0.02, eta=1.0),
    "project": partial(project, steps=25, t0=1.0),
    "ding": partial(ding, steps=25, t0=1.0, iterations=8, sigma_y=0.02),
    "latino": partial(latino, steps=25, t0=1.0),
    "blend": partial(blend, steps=50, t0=1.0),  # its prior's latents are the pixels: see `problem`
}
MEASUREMENTS = {
    "blur": lambda observed: Beside(Inpainting(observed), gaussian_blur(1.0)),
    "down-sampling": lambda observed: Beside(Inpainting(observed), Downsampling(2)),
    "jpeg": lambda observed: Beside(Inpainting(observed), jpeg(20)),
}


def problem(
    name: str = "", seed: int = 1, levels: torch.Tensor | None = None
) -> tuple[GaussianPrior, Inpainting, torch.Tensor]:
    """A draw of the prior and which of its pixels are seen; blending needs latents that lie where their pixels do."""
    prior = GaussianPrior(mixed=name != "blend", levels=levels)
    generator = torch.Generator().manual_seed(seed)
    x = prior.sample(generator)
    observed = torch.rand(1, 1, 8, 8, generator=generator) < 0.4
    return prior, Inpainting(observed), x


# Blending replaces the known cells and tells the others nothing but through the network: it doesn't draw from the
# posterior, in however many steps (0.57 of answering zero at 50, 0.42 at 200 with ancestral noise).
BIASED = pytest.mark.xfail(reason="blending is biased, as published", strict=True)


LEVELS = {"diffusion": None, "rectified flow": flow_schedule(1000)}


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=BIASED if n == "blend" else ()) for n in SOLVERS])
def test_the_mean_of_draws_approaches_the_exact_posterior_mean(name: str, levels: torch.Tensor | None) -> None:
    prior, operator, x = problem(name, levels=levels)
    draws = 64
    y = operator.forward(x).expand(draws, -1, -1, -1)
    result = SOLVERS[name](Problem(prior, operator, y, SampleNoise(range(draws))))
    exact = prior.posterior_mean(operator.observed, x)
    free = ~operator.observed[0, 0]
    error = (result.mean(0) - exact[0])[0, free].pow(2).mean().sqrt()
    of_zero = exact[0, 0][free].pow(2).mean().sqrt()
    assert error < 0.35 * of_zero
    assert result[:, 0, free].std(0).mean() > 0.02  # draws differ where nothing was observed


@pytest.mark.parametrize("name", SOLVERS)
def test_the_observed_pixels_are_explained(name: str) -> None:
    prior, operator, x = problem(name)
    result = SOLVERS[name](Problem(prior, operator, operator.forward(x), SampleNoise([3])))
    residual = (operator.forward(result - x)).pow(2).sum() / operator.observed.sum()
    assert residual.sqrt() < 0.15 * x.std()


@pytest.mark.parametrize("name", SOLVERS)
def test_a_batch_of_eight_equals_eight_batches_of_one(name: str) -> None:
    prior, operator, x = problem(name)
    xs = torch.cat([x * (1 - 0.2 * b) for b in range(8)])
    y = operator.forward(xs)
    solve = partial(SOLVERS[name], steps=8)
    together = solve(Problem(prior, operator, y, SampleNoise(range(8))))
    alone = [solve(Problem(prior, operator, y[b : b + 1], SampleNoise([b]))) for b in range(8)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=0)
    swapped = solve(Problem(prior, operator, y, SampleNoise(reversed(range(8)))))
    assert (together - swapped).abs().max() > 0.01  # the comparison can fail


@pytest.mark.parametrize("name", SOLVERS)
def test_same_seed_same_bytes_and_global_state_untouched(name: str) -> None:
    prior, operator, x = problem(name)
    state = torch.random.get_rng_state()
    solve = partial(SOLVERS[name], steps=8)
    first, again = (solve(Problem(prior, operator, operator.forward(x), SampleNoise([5]))) for _ in range(2))
    other = solve(Problem(prior, operator, operator.forward(x), SampleNoise([6])))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("solve", "calls"),
    [
        (psld, {"denoise": 7, "encode": 7, "decode": 8}),
        (diffstategrad, {"denoise": 7, "encode": 7, "decode": 8}),
        (partial(ddnm, iterations=3), {"denoise": 7, "decode": 7 * (1 + 3) + 1}),
        (project, {"denoise": 7, "encode": 14, "decode": 8}),
        (blend, {"denoise": 7, "decode": 1}),
        (partial(ding, iterations=3), {"denoise": 13, "decode": 7 * (1 + 3) + 1}),
        (latino, {"denoise": 7, "encode": 7, "decode": 8}),
    ],
)
def test_the_networks_are_called_as_often_as_it_says(solve: partial[torch.Tensor], calls: dict[str, int]) -> None:
    prior, operator, x = problem()
    start = prior.encode(x)
    prior.calls.clear()
    solve(Problem(prior, operator, operator.forward(x), SampleNoise([0]), start=start), steps=7, t0=0.5)
    assert prior.calls == calls


@pytest.mark.parametrize("solve", [psld, diffstategrad, ddnm, project, blend, ding, latino])
def test_a_start_below_1_is_looked_at_and_steps_are_announced(solve: partial[torch.Tensor]) -> None:
    prior, operator, x = problem()
    seen: list[tuple[int, int]] = []
    looked_at = Problem(
        prior, operator, operator.forward(x), SampleNoise([3]), prior.encode(x), lambda *s: seen.append(s)
    )
    one = solve(looked_at, steps=3, t0=0.5)
    other = solve(replace(looked_at, noise=SampleNoise([3]), start=prior.encode(-x), on_step=None), steps=3, t0=0.5)
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert not torch.equal(one, other)


@pytest.mark.parametrize("measured", MEASUREMENTS)
@pytest.mark.parametrize(
    "solve",
    [
        partial(psld, steps=50, omega=0.1, gamma=0.02),
        partial(diffstategrad, steps=50, t0=1.0, omega=0.1, gamma=0.02),
        partial(ddnm, steps=25, t0=1.0),
        partial(project, t0=1.0),
        partial(ding, steps=25, t0=1.0),
        partial(latino, steps=25, t0=1.0),
    ],
)
def test_what_is_seen_through_an_operator_is_explained(measured: str, solve: partial[torch.Tensor]) -> None:
    prior, regions, x = problem()
    operator = MEASUREMENTS[measured](regions.observed)
    y = operator.forward(x)
    result = solve(Problem(prior, operator, y, SampleNoise([3])))
    blind = solve(Problem(prior, Inpainting(regions.observed), regions.forward(x), SampleNoise([3])))
    residual, of_blind = ((operator.forward(r) - y).norm() for r in (result, blind))
    assert residual < 0.15 * y.norm()
    assert residual < of_blind


def test_blending_refuses_an_operator_that_mixes_pixels() -> None:
    prior, regions, x = problem()
    for measured in MEASUREMENTS.values():
        operator = measured(regions.observed)
        with pytest.raises(ValueError, match="keeps or drops each pixel"):
            blend(Problem(prior, operator, operator.forward(x), SampleNoise([0])))


def test_blending_keeps_whole_cells_only() -> None:
    class Cells(PixelPrior):  # 4 × 4 pixels to a cell
        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pixel_unshuffle(x, 4)

        def decode(self, z: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pixel_shuffle(z, 4)

    prior, x = Cells(), torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    observed = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    observed[..., :7, :] = True  # one row of cells, and three quarters of the next
    operator = Inpainting(observed)
    result = blend(Problem(prior, operator, operator.forward(x), SampleNoise([0]), start=prior.encode(x)), steps=5)
    torch.testing.assert_close(result[..., :4, :], x[..., :4, :])
    assert ((result - x)[..., 4:8, :].abs() > 0.01).float().mean() > 0.8


def test_conjugate_gradients_solve_each_row_and_survive_a_finished_one() -> None:
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    matrix = root @ root.T + torch.eye(6)
    v = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    v[1] = 0
    found = conjugate_gradients(lambda u: u @ matrix, v @ matrix, 12)
    torch.testing.assert_close(found, v)


def test_the_nearest_image_that_explains_observed_pixels_has_them_put_back() -> None:
    prior, operator, x = problem()
    other = prior.sample(torch.Generator().manual_seed(9))
    found = explain(operator, operator.forward(x), other, 1)
    torch.testing.assert_close(found, torch.where(operator.observed, x, other))


def test_psld_from_pure_noise_knows_nothing_of_the_source() -> None:
    prior, operator, x = problem()

    def solve(start: torch.Tensor | None, t0: float) -> torch.Tensor:
        return psld(Problem(prior, operator, operator.forward(x), SampleNoise([3]), start), steps=5, t0=t0)

    informed, blind = (solve(start, 1.0) for start in (prior.encode(x), None))
    assert torch.equal(informed, blind)
    assert not torch.equal(blind, solve(prior.encode(x), 0.9))


def test_psld_guidance_does_not_shrink_with_the_number_of_steps() -> None:
    prior, operator, x = problem()
    y = operator.forward(x)
    residuals = {}
    for steps in (20, 200):
        result = psld(Problem(prior, operator, y, SampleNoise([2])), steps=steps, omega=0.05, gamma=0.0)
        residuals[steps] = float(operator.forward(result - x).norm())
    unguided = psld(Problem(prior, operator, y, SampleNoise([2])), steps=20, omega=0.0, gamma=0.0)
    assert residuals[20] < 3 * residuals[200] + 0.1
    assert residuals[20] < 0.5 * float(operator.forward(unguided - x).norm())


def test_psld_ancestral_noise_is_drawn_from_each_samples_own_stream() -> None:
    prior, operator, x = problem()
    y = operator.forward(x).expand(2, -1, -1, -1)
    solve = partial(psld, steps=10, omega=0.1, gamma=0.02, eta=1.0)
    together = solve(Problem(prior, operator, y, SampleNoise([1, 2])))
    alone = solve(Problem(prior, operator, y[1:], SampleNoise([2])))
    torch.testing.assert_close(together[1:], alone, atol=1e-4, rtol=0)


def test_a_gradient_is_put_into_the_fewest_leading_vectors_of_the_state_by_channel() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(2, 3, 8, 8, generator=generator))[0] for _ in "ab")
    gradient = torch.randn(2, 3, 8, 8, generator=generator)
    values = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5, 0.0, 0.0, 0.0])  # energies 64, 16, 4, … of 85.25
    state = left @ values.diag() @ right.mT
    for share, rank in ((0.7, 1), (0.8, 2), (0.95, 3), (0.985, 3), (0.99, 4), (0.9999, 5)):
        u, v = left[..., :rank], right[..., :rank]
        expected = u @ (u.mT @ gradient @ v) @ v.mT
        torch.testing.assert_close(into_state(gradient, state, share), expected, atol=1e-4, rtol=0)
    full = torch.randn(2, 3, 8, 8, generator=generator)
    torch.testing.assert_close(into_state(gradient, full, 1.0), gradient, atol=1e-4, rtol=0)


def test_draws_inside_the_state_spread_more_like_the_posterior_than_psld_s() -> None:
    prior, operator, x = problem()
    y, free = operator.forward(x).expand(64, -1, -1, -1), ~operator.observed[0, 0]
    exact = prior.posterior_std(operator.observed)[free].mean()
    narrow, right = (
        SOLVERS[name](Problem(prior, operator, y, SampleNoise(range(64))))[:, 0, free].std(0).mean() / exact
        for name in ("psld in few steps", "diffstategrad")
    )
    assert narrow < 0.8 < right < 1.25


def test_times_fall_to_clean_and_refuse_more_steps_than_there_are() -> None:
    abar = torch.linspace(0.999, 0.001, 1000)
    schedule = times(abar, 10, 0.6)
    assert schedule[0][0] == 599
    assert schedule[-1][2] == 1.0
    assert [t for t, _, _ in schedule] == sorted({t for t, _, _ in schedule}, reverse=True)
    assert len(times(abar, 1000, 1.0)) == 1000
    with pytest.raises(ValueError, match="steps"):
        times(abar, 601, 0.6)
