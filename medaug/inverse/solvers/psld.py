"""PSLD: posterior sampling with latent diffusion."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.linalg import vector_norm

from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.sampling.ddim import begin, ddim, noise_in
from medaug.inverse.sampling.guided_ddim import ALL_OFF, Guided, Levers, descend
from medaug.inverse.sampling.schedule import times

REFERENCE_STEPS = 1000  # the published schedule; omega and gamma are stated for it


def psld(  # noqa: PLR0913 - the method's own parameters, bound once with functools.partial
    prior: Prior,
    operator: Operator,
    y: Tensor,
    *,
    noise: Noise,
    start: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
    steps: int = 1000,
    t0: float = 1.0,
    omega: float = 1.0,
    gamma: float = 0.2,
    eta: float = 0.0,
    levers: Levers = ALL_OFF,
) -> Tensor:
    """Draw images that explain ``y``, one per row, each independent of its batch-mates.

    Norms are plain, per sample. Weights hold for 1000 steps from t = 1. With fewer steps each covers more time, and its
    guidance is scaled by that time so that the whole pull stays the same; but it never goes further than where the
    linearised loss is zero (see `reach`), or one long step would overshoot what many short ones settle into.

    Network calls: ``steps`` of denoise, ``steps`` of encode, ``steps + 1`` of decode.

    Args:
        prior: the latent diffusion model.
        operator: the measurement A.
        y: (B, …), the measurement of each sample.
        noise: one stream per sample.
        start: clean latents (B, c, h, w) to begin from once noised to ``t0``; pure noise when None, or when t0 is 1.
        on_step: called with (step, steps) before each step.
        steps: denoising steps.
        t0: first time as a share of all, in (0, 1].
        omega: weight of the measurement term.
        gamma: weight of the gluing term.
        eta: 0 for deterministic DDIM, 1 for ancestral noise.
        levers: what is saved on the way, and the closing; a step that guides for k stands for k times as many.

    Returns:
        Images (B, C, H, W), not clipped.

    Source: Rout et al., NeurIPS 2023, arXiv 2307.00619, algorithm 2, with DDIM (Song et al. 2021, eq. 12) as the
    sampler.
    """
    schedule = times(prior.alphas_cumprod, steps, t0)
    seen = operator.adjoint(y)
    z_t = begin(prior, seen, noise, start, t0, schedule[0][1])
    scale = levers.every * REFERENCE_STEPS * t0 / steps

    def guide(prior: Prior, z_t: Tensor, t: Tensor, abar_t: float, abar_s: float) -> Guided:
        z0, loss, missed, gradient = loss_gradient(prior, operator, y, z_t, t, omega, gamma)
        z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, eta, noise)
        return z_s, z_s - reach(scale, loss, gradient) * gradient, missed

    return descend(
        prior, guide, z_t, schedule, noise=noise, eta=eta, levers=levers, operator=operator, y=y, on_step=on_step
    )


def loss_gradient(
    prior: Prior, operator: Operator, y: Tensor, z_t: Tensor, t: Tensor, omega: float, gamma: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What PSLD's two terms say at z_t.

    Network calls: one of denoise, decode and encode each, forward and backward.

    Returns:
        z0 (B, c, h, w); the loss (B,); A D(z0) − y (B, …); the loss's gradient by z_t (B, c, h, w). None has a graph.
    """
    z_t = z_t.detach().requires_grad_(True)
    with torch.enable_grad():
        z0 = prior.denoise(z_t, t)
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
