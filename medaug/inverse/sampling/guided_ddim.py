"""The way down from z_t to an image that all solvers share, and what makes any of them cheaper.

A solver says how one step is guided; what is the same for all, the order of the steps and which of them are guided,
stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medaug.inverse.priors.latent_prior import with_fast_autoencoder
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import ddim, deviation, noise_in
from medaug.inverse.sampling.drawn_ahead import DrawnAhead
from medaug.inverse.sampling.gauss_newton import correction

CLOSING_NOISE = 0.05  # the paper's measurement noise: how far a closing step takes the measurement to be missed anyway


@dataclass(frozen=True)
class Guidance:
    """Which steps are guided, and what closes the descent; no sample depends on its batch-mates.

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


EVERY_STEP = Guidance()


@dataclass(frozen=True, eq=False)
class DenoisingStep:
    """From time t to the earlier time s.

    Attributes:
        problem: its prior has the small autoencoder where that stands in.
        z_t: (B, c, h, w).
        t: (B,), the time's index.
        abar_t: share of signal at t.
        abar_s: likewise at s.
        eta: of the DDIM step.
    """

    problem: Problem
    z_t: Tensor
    t: Tensor
    abar_t: float
    abar_s: float
    eta: float

    def denoised(self) -> Tensor:
        """The prior's estimate of z0; one call of denoise."""
        return self.problem.prior.denoise(self.z_t, self.t)

    def unguided(self, z0: Tensor) -> Tensor:
        """The z_s of plain DDIM from an estimate of z0; the noise of ``eta`` is drawn here."""
        eps = noise_in(self.z_t, z0, self.abar_t)
        return ddim(z0, eps, self.abar_t, self.abar_s, self.eta, self.problem.noise)


Guided = tuple[Tensor, Tensor, Tensor | None]
Guide = Callable[[DenoisingStep], Guided]


@torch.no_grad()
def descend(
    problem: Problem,
    guide: Guide,
    schedule: Sequence[tuple[int, float, float]],
    z_t: Tensor,
    *,
    eta: float = 0.0,
    guidance: Guidance = EVERY_STEP,
) -> Tensor:
    """Step from the first time of the schedule to clean, close, and decode.

    Network calls: the guide's, one of denoise for each step without it, and one of decode; ``1 + closing`` of decode
    more where there is a closing.

    Args:
        problem: what is solved.
        guide: a step → z_s of plain DDIM, z_s guided, and A D(z0) − y, or None where the solver doesn't know it.
        schedule: from `ddim.begin`.
        z_t: (B, c, h, w) at the first time, likewise.
        eta: of the DDIM steps; a guided and a plain one draw the same noise.
        guidance: which steps are guided, and the closing.

    Returns:
        Images (B, C, H, W), not clipped.
    """
    steps, budget = len(schedule), guidance.budget
    draws = sum(deviation(abar_t, abar_s, eta) > 0 for _, abar_t, abar_s in schedule)
    problem = replace(problem, noise=DrawnAhead(problem.noise, draws))
    measured = None if budget is None else measured_values(problem)
    unexplained = torch.ones(len(z_t), 1, 1, 1, dtype=torch.bool, device=z_t.device)
    fast = replace(problem, prior=with_fast_autoencoder(problem.prior))
    fast_from = float("inf") if guidance.fast_above is None else guidance.fast_above * len(problem.prior.alphas_cumprod)
    for number, (t, abar_t, abar_s) in enumerate(schedule):
        if problem.on_step:
            problem.on_step(number, steps)
        at = torch.full((len(z_t),), t, device=z_t.device)
        step = DenoisingStep(fast if t >= fast_from else problem, z_t, at, abar_t, abar_s, eta)
        if (steps - 1 - number) % guidance.every or (budget is not None and not bool(unexplained.any())):
            z_t = step.unguided(step.denoised())
            continue
        plain, guided, missed = guide(step)
        z_t = torch.where(unexplained, guided, plain)
        if budget is not None and missed is not None and measured is not None:
            unexplained = unexplained & (_misfit(missed, measured) > budget)
    if guidance.closing:
        z_t = closed(problem, z_t, schedule[-1][1], guidance)
    return problem.prior.decode(z_t)


def closed(problem: Problem, z: Tensor, abar: float, guidance: Guidance) -> Tensor:
    """Clean latents brought to the measurement through the decoder: hard data consistency at t = 0.

        z ← argmin_z'  ||A D(z') − y||² / CLOSING_NOISE²  +  ||z' − z||² / (1 − abar)

    one Gauss-Newton step (`gauss_newton.correction`), ended early by few conjugate gradients: they take what many
    pixels agree on first, and single pixels' noise last. The denoising network isn't called.

    Args:
        problem: asked for the prior's decoder, A and y.
        z: (B, c, h, w), clean.
        abar: share of signal at the last time: 1 − abar is the variance that was left in z there.
        guidance: ``closing`` iterations; a sample that is inside ``budget`` stays as it is.

    Source: Song et al. 2024 (ReSample), arXiv 2307.08123, section 3.2, with a Gauss-Newton step for its optimiser.
    """
    dz, missed = correction(problem, z, CLOSING_NOISE**2 / (1 - abar), guidance.closing)
    if guidance.budget is None:
        return z + dz
    return torch.where(_misfit(missed, measured_values(problem)) > guidance.budget, z + dz, z)


def measured_values(problem: Problem) -> Tensor:
    """(B,) how many values a measurement holds: those that a white image doesn't leave at 0, at least one."""
    white = torch.ones_like(problem.operator.adjoint(problem.y))
    return (problem.operator.forward(white) != 0).flatten(1).sum(1).clamp_min(1)


def _misfit(missed: Tensor, measured: Tensor) -> Tensor:
    """Root mean square of A D(z0) − y, (B, …) → (B, 1, 1, 1): over the measured values of each sample alone."""
    return (missed.square().flatten(1).sum(1) / measured).sqrt().reshape(-1, 1, 1, 1)
