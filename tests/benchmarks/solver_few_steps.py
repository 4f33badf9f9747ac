"""Two solvers made for few steps that were tried and are not in the package, written from the papers.

They obey the contract of the package's solvers (`tests/inverse/solvers/test_solvers.py`), and stand in the front.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Prior, Problem
from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.ddim import begin, deviation, noise_in
from medaug.inverse.sampling.gauss_newton import correction


@torch.no_grad()
def ding(
    problem: Problem, *, steps: int = 28, t0: float = 0.6, eta: float = 1.0, sigma_y: float = 0.05, iterations: int = 3
) -> Tensor:
    """DInG in the latents: the likelihood of z_s sees the network at another draw, so that it is Gaussian in z_s.

    A step draws two states at time s from the prior's transition: w_s, at which the network is asked for its noise
    eps(w_s), and z_s. With eps held there, z0 = (z_s − √(1 − abar_s) eps(w_s)) / √abar_s is linear in z_s, and the
    posterior of z_s is Gaussian: no backward pass through the network. The paper observes whole latent cells and has
    a closed form; single pixels are seen through the decoder, linearised at z0, so the draw is moved to that posterior
    by a few conjugate gradients (`gauss_newton.correction`) against a measurement of which noise was drawn.

    Network calls: ``2 · steps − 1`` of denoise, ``steps · (1 + iterations) + 1`` of decode, no encode.

    Source: Moufad et al. 2025, arXiv 2512.18365, section 3.
    """
    prior, noise = problem.prior, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for number, (t, abar_t, abar_s) in enumerate(schedule):
        _announce(problem, number, steps)
        z0 = _denoised(prior, z_t, t)
        spread = deviation(abar_t, abar_s, eta)
        mean = abar_s**0.5 * z0 + max(1 - abar_s - spread**2, 0.0) ** 0.5 * noise_in(z_t, z0, abar_t)
        if number + 1 == len(schedule):  # to clean: nothing is left of the noise, so z_s is z0
            return prior.decode(mean + correction(problem, mean, sigma_y**2 / (1 - abar_t), iterations)[0])
        w_s, z_s = (mean + spread * noise(tuple(mean.shape)) for _ in range(2))
        s = schedule[number + 1][0]
        eps = noise_in(w_s, _denoised(prior, w_s, s), abar_s)
        clean = (z_s - (1 - abar_s) ** 0.5 * eps) / abar_s**0.5
        dz, _ = correction(problem, clean, sigma_y**2 * abar_s / spread**2, iterations)
        z_t = z_s + abar_s**0.5 * dz
    raise AssertionError


@torch.no_grad()
def latino(problem: Problem, *, steps: int = 8, t0: float = 0.6, delta: float = 0.01) -> Tensor:
    """LATINO-style: noise the image's latents, let the prior clean them at once, bring the image to the measurement.

    The paper's prior is a consistency model, whose one call gives a sample; here it gives the mean of what there may
    be, so what noise remains for the next, smaller time does the sampling. The measurement is met in the image, by
    ``explain``, a share 1 / (1 + delta) of the way: the proximal step of a measurement noise that is small beside the
    step of the Langevin equation.

    Network calls: ``steps`` of denoise and encode, ``steps + 1`` of decode; one of encode more where there is no start.

    Source: Spagnoletti et al. 2025, arXiv 2503.12615, algorithm 1.
    """
    prior, operator = problem.prior, problem.operator
    schedule, z_t = begin(problem, steps, t0)
    z = z_t
    for number, (t, abar_t, _) in enumerate(schedule):
        _announce(problem, number, steps)
        if number:
            z_t = abar_t**0.5 * z + (1 - abar_t) ** 0.5 * problem.noise(tuple(z.shape))
        x = prior.decode(_denoised(prior, z_t, t))
        z = prior.encode(x + (explain(operator, problem.y, x, 1) - x) / (1 + delta))
    return prior.decode(z)


def _denoised(prior: Prior, z_t: Tensor, t: int) -> Tensor:
    return prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))


def _announce(problem: Problem, number: int, steps: int) -> None:
    if problem.on_step:
        problem.on_step(number, steps)
