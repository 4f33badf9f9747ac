"""The way down from z_t to an image that all solvers share, and the levers that make any of them cheaper.

A solver says how one step is guided; what is the same for all, the order of the steps and which of them are guided,
stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medaug.inverse.priors.latent_prior import with_fast_autoencoder
from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.sampling.ddim import ddim, noise_in
from medaug.inverse.sampling.gauss_newton import correction

Guided = tuple[Tensor, Tensor, Tensor | None]
Guide = Callable[[Prior, Tensor, Tensor, float, float], Guided]
CLOSING_NOISE = 0.05  # the paper's measurement noise: how far a closing step takes the measurement to be missed anyway


@dataclass(frozen=True)
class Levers:
    """What is saved on the way or added at its end, each off unless stated; no sample depends on its batch-mates.

    Attributes:
        every: guide every k-th step only, the last one always; the others are plain DDIM steps.
        budget: root mean square of A D(z0) − y over the measured values, display units (range 2), at which a sample
            counts as explained; it isn't guided any more from the next step on. Where None, all steps are guided.
        fast_above: share of the times above which the prior's small autoencoder stands in for the full one. Below it,
            and for the last decode, the full one is used; never the small one where None, or where there is none.
        closing: conjugate gradients of one data step through the decoder once the last denoising step is done, see
            `closed`; 0 for none. A sample inside the budget is left as it is.
    """

    every: int = 1
    budget: float | None = None
    fast_above: float | None = None
    closing: int = 0


ALL_OFF = Levers()


@torch.no_grad()
def descend(  # noqa: PLR0913 - what a step needs; bound by the solver
    prior: Prior,
    guide: Guide,
    z_t: Tensor,
    schedule: Sequence[tuple[int, float, float]],
    *,
    noise: Noise,
    eta: float = 0.0,
    levers: Levers = ALL_OFF,
    operator: Operator,
    y: Tensor,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Step from the first time of the schedule to clean, close, and decode.

    Network calls: the guide's, one of denoise for each step without it, and one of decode; ``1 + closing`` of decode
    more where there is a closing.

    Args:
        prior: the latent diffusion model.
        guide: (prior, z_t, t (B,), abar_t, abar_s) → z_s of plain DDIM, z_s guided, and A D(z0) − y, or None where
            the solver doesn't know it.
        z_t: (B, c, h, w) at the first time.
        schedule: from `schedule.times`.
        noise: one stream per sample; a guided and a plain step draw the same.
        eta: of a plain step.
        levers: what is saved, and the closing.
        operator: the measurement A, for a budget or a closing.
        y: (B, …), the measurement of each sample.
        on_step: called with (step, steps) before each step.

    Returns:
        Images (B, C, H, W), not clipped.
    """
    steps, wanted = len(schedule), torch.ones(len(z_t), 1, 1, 1, dtype=torch.bool, device=z_t.device)
    fast = with_fast_autoencoder(prior)
    measured = None if levers.budget is None else measured_values(operator.forward, operator.adjoint(y))
    for step, (t, abar_t, abar_s) in enumerate(schedule):
        if on_step:
            on_step(step, steps)
        above = levers.fast_above is not None and t >= levers.fast_above * len(prior.alphas_cumprod)
        inner, at = fast if above else prior, torch.full((len(z_t),), t, device=z_t.device)
        if (steps - 1 - step) % levers.every or (levers.budget is not None and not bool(wanted.any())):
            z0 = inner.denoise(z_t, at)
            z_t = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, eta, noise)
            continue
        plain, guided, missed = guide(inner, z_t, at, abar_t, abar_s)
        z_t = torch.where(wanted, guided, plain)
        if levers.budget is not None and missed is not None and measured is not None:
            wanted = wanted & (_root_mean_square(missed, measured) > levers.budget)
    if levers.closing:
        z_t = closed(prior, operator, y, z_t, schedule[-1][1], levers)
    return prior.decode(z_t)


def closed(prior: Prior, operator: Operator, y: Tensor, z: Tensor, abar: float, levers: Levers) -> Tensor:
    """Clean latents brought to the measurement through the decoder: hard data consistency at t = 0.

        z ← argmin_z'  ||A D(z') − y||² / CLOSING_NOISE²  +  ||z' − z||² / (1 − abar)

    one Gauss-Newton step (`gauss_newton.correction`), ended early by few conjugate gradients: they take what many
    pixels agree on first, and single pixels' noise last. The denoising network isn't called.

    Args:
        prior: asked for its decoder.
        operator: the measurement A.
        y: (B, …), the measurement of each sample.
        z: (B, c, h, w), clean.
        abar: share of signal at the last time: 1 − abar is the variance that was left in z there.
        levers: ``closing`` iterations; a sample that is inside ``budget`` stays as it is.

    Source: Song et al. 2024 (ReSample), arXiv 2307.08123, section 3.2, with a Gauss-Newton step for its optimiser.
    """
    dz, missed = correction(prior, operator, y, z, CLOSING_NOISE**2 / (1 - abar), levers.closing)
    if levers.budget is None:
        return z + dz
    measured = measured_values(operator.forward, operator.adjoint(y))
    return torch.where(_root_mean_square(missed, measured) > levers.budget, z + dz, z)


def measured_values(forward: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """(B,) how many values a measurement holds: those that a white image doesn't leave at 0, at least one."""
    return (forward(torch.ones_like(like)) != 0).flatten(1).sum(1).clamp_min(1)


def _root_mean_square(missed: Tensor, measured: Tensor) -> Tensor:
    """(B, …) → (B, 1, 1, 1): over the measured values of each sample alone."""
    return (missed.square().flatten(1).sum(1) / measured).sqrt().reshape(-1, 1, 1, 1)
