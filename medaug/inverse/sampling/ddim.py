"""The pieces that diffusion solvers share: where they begin, and one DDIM step."""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Noise, Problem
from medaug.inverse.sampling.schedule import Times, times

RENEWED = float("inf")  # as eta: all noise of a step is drawn anew


def begin(problem: Problem, steps: int, t0: float) -> tuple[Times, Tensor]:
    """The times from ``t0`` to clean, and z_t at the first: pure noise, or the start noised to its share of signal.

    Network calls: one of encode where there is no start, for the shape of the latents.

    Args:
        problem: its noise is drawn from once.
        steps: how many times.
        t0: first time as a share of all; at 1 the start isn't looked at.
    """
    schedule, start = times(problem.prior.alphas_cumprod, steps, t0), problem.start
    with torch.no_grad():
        like = problem.prior.encode(torch.zeros_like(problem.operator.adjoint(problem.y))) if start is None else start
    z_t = problem.noise(tuple(like.shape))
    if start is None or t0 >= 1:
        return schedule, z_t
    abar = schedule[0][1]
    return schedule, abar**0.5 * start + (1 - abar) ** 0.5 * z_t


def noise_in(z_t: Tensor, z0: Tensor, abar_t: float) -> Tensor:
    """The noise eps for which z_t = sqrt(abar_t) z0 + sqrt(1 − abar_t) eps."""
    eps: Tensor = (z_t - abar_t**0.5 * z0) / (1 - abar_t) ** 0.5
    return eps


def ddim(z0: Tensor, eps: Tensor, abar_t: float, abar_s: float, eta: float, noise: Noise) -> Tensor:
    """From time t to the earlier time s; ``eta`` 0 is deterministic, 1 ancestral, and `RENEWED` carries no noise on.

    Source: Song et al. 2021, arXiv 2010.02502, eq. 12 and 16.
    """
    sigma = deviation(abar_t, abar_s, eta)
    z_s: Tensor = abar_s**0.5 * z0 + max(1 - abar_s - sigma**2, 0.0) ** 0.5 * eps
    return z_s + sigma * noise(tuple(z0.shape)) if sigma > 0 else z_s


def deviation(abar_t: float, abar_s: float, eta: float) -> float:
    """The standard deviation of the noise that a step from t to s adds; 0 where none is drawn."""
    whole: float = (1 - abar_s) ** 0.5
    sigma: float = eta * ((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)) ** 0.5
    return whole if eta == RENEWED else sigma
