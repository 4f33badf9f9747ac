"""A solver made for few steps that was tried and is not in the package, written from the paper.

It obeys the contract of the package's solvers (`tests/inverse/solvers/test_solvers.py`), and stands in the front.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Prior, Problem
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


def _denoised(prior: Prior, z_t: Tensor, t: int) -> Tensor:
    return prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))


def _announce(problem: Problem, number: int, steps: int) -> None:
    if problem.on_step:
        problem.on_step(number, steps)
