"""PSLD: posterior sampling with latent diffusion."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vector_norm

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import begin
from medaug.inverse.sampling.guided_ddim import EVERY_STEP, DenoisingStep, Guidance, Guided, descend

REFERENCE_STEPS = 1000  # the published schedule; omega and gamma are stated for it


def psld(
    problem: Problem,
    *,
    steps: int = 1000,
    t0: float = 1.0,
    omega: float = 1.0,
    gamma: float = 0.2,
    eta: float = 0.0,
    guidance: Guidance = EVERY_STEP,
) -> Tensor:
    """PSLD's step: z_s of DDIM − ∇ (omega ||A D(z0) − y||  +  gamma ||E(Aᵀy + D(z0) − AᵀA D(z0)) − z0||).

    Norms are plain, per sample. Weights hold for 1000 steps from t = 1. With fewer steps each covers more time, and its
    guidance is scaled by that time so that the whole pull stays the same; but it never goes further than where the
    linearised loss is zero (see `reach`), or one long step would overshoot what many short ones settle into.

    Network calls: ``steps`` of denoise, ``steps`` of encode, ``steps + 1`` of decode.

    Args:
        problem: what is solved.
        steps: as for every solver, see `Solver`.
        t0: likewise.
        omega: weight of the measurement term.
        gamma: weight of the gluing term.
        eta: likewise.
        guidance: likewise; a step that guides for k stands for k times as many.

    Source: Rout et al., NeurIPS 2023, arXiv 2307.00619, algorithm 2, with DDIM (Song et al. 2021, eq. 12) as the
    sampler.
    """
    schedule, z_t = begin(problem, steps, t0)
    scale = guidance.every * REFERENCE_STEPS * t0 / steps

    def guide(step: DenoisingStep) -> Guided:
        z0, loss, missed, gradient = loss_gradient(step, omega, gamma)
        z_s = step.unguided(z0)
        return z_s, z_s - reach(scale, loss, gradient) * gradient, missed

    return descend(problem, guide, schedule, z_t, eta=eta, guidance=guidance)


def loss_gradient(step: DenoisingStep, omega: float, gamma: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What PSLD's two terms say at z_t.

    Network calls: one of denoise, decode and encode each, forward and backward.

    Returns:
        z0 (B, c, h, w); the loss (B,); A D(z0) − y (B, …); the loss's gradient by z_t (B, c, h, w). None has a graph.
    """
    prior, operator, y = step.problem.prior, step.problem.operator, step.problem.y
    z_t = step.z_t.detach().requires_grad_(True)
    with torch.enable_grad():
        z0 = prior.denoise(z_t, step.t)
        x0 = prior.decode(z0)
        missed = operator.forward(x0) - y
        glued = operator.adjoint(y) + x0 - operator.adjoint(operator.forward(x0))
        loss = omega * _norms(missed) + gamma * _norms(prior.encode(glued) - z0)
        (gradient,) = torch.autograd.grad(loss.sum(), z_t)
    return z0.detach(), loss.detach(), missed.detach(), gradient


def reach(scale: float, loss: Tensor, gradient: Tensor) -> Tensor:
    """How many published steps one step may stand for, (B, 1, 1, 1): ``scale``, cut at Polyak's length.

    Since norms are plain, the gradient's length doesn't fall with the residual. With 20 steps ``scale`` is 50; near the
    answer 50 published steps would jump back and forth over it. The loss is zero, to first order, after
    loss / ||gradient||² (Polyak 1969). At 1000 steps ``scale`` is 1 and the published update is left as it is.
    """
    polyak = loss / _norms(gradient).square().clamp_min(1e-20)
    length: Tensor = polyak.clamp(min=min(1.0, scale), max=scale).reshape(-1, *[1] * (gradient.ndim - 1))
    return length


def _norms(residual: Tensor) -> Tensor:
    """(B, …) → (B,): over each sample alone, so that batch-mates can't pull on each other."""
    norms: Tensor = vector_norm(residual.flatten(1), dim=1)
    return norms
