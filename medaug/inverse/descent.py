"""The way down from z_t to an image that all solvers share, and the levers that make any of them cheaper.

A solver says how one step is guided; what is the same for all, the order of the steps and which of them are guided,
stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medaug.inverse.ddim import ddim, noise_in
from medaug.inverse.priors.latent import with_fast_autoencoder
from medaug.inverse.protocols import Noise, Prior

Guided = tuple[Tensor, Tensor, Tensor | None]
Guide = Callable[[Prior, Tensor, Tensor, float, float], Guided]


@dataclass(frozen=True)
class Levers:
    """What may be saved on the way, each off unless stated. None of them makes a sample depend on its batch-mates.

    Attributes:
        every: guide every k-th step only, the last one always; the others are plain DDIM steps.
        budget: root mean square of A D(z0) − y over the measured values, display units (range 2), at which a sample
            counts as explained; it isn't guided any more from the next step on. Where None, all steps are guided.
        fast_above: share of the times above which the prior's small autoencoder stands in for the full one. Below it,
            and for the last decode, the full one is used; never the small one where None, or where there is none.
    """

    every: int = 1
    budget: float | None = None
    fast_above: float | None = None


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
    measured: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Step from the first time of the schedule to clean, and decode.

    Args:
        prior: the latent diffusion model.
        guide: (prior, z_t, t (B,), abar_t, abar_s) → z_s of plain DDIM, z_s guided, and A D(z0) − y, or None where
            the solver doesn't know it.
        z_t: (B, c, h, w) at the first time.
        schedule: from `schedule.times`.
        noise: one stream per sample; a guided and a plain step draw the same.
        eta: of a plain step.
        levers: what is saved.
        measured: (B,) how many values y has; needed for a budget.
        on_step: called with (step, steps) before each step.

    Returns:
        Images (B, C, H, W), not clipped.
    """
    steps, wanted = len(schedule), torch.ones(len(z_t), 1, 1, 1, dtype=torch.bool, device=z_t.device)
    fast = with_fast_autoencoder(prior)
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
    return prior.decode(z_t)


def measured_values(forward: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
    """(B,) how many values a measurement holds: those that a white image doesn't leave at 0, at least one."""
    return (forward(torch.ones_like(like)) != 0).flatten(1).sum(1).clamp_min(1)


def _root_mean_square(missed: Tensor, measured: Tensor) -> Tensor:
    """(B, …) → (B, 1, 1, 1): over the measured values of each sample alone."""
    return (missed.square().flatten(1).sum(1) / measured).sqrt().reshape(-1, 1, 1, 1)
