"""DiffStateGrad: PSLD, guided only within what the state itself is made of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.sampling.ddim import begin, ddim, noise_in
from medaug.inverse.sampling.guided_ddim import ALL_OFF, Guided, Levers, descend
from medaug.inverse.sampling.schedule import times
from medaug.inverse.solvers.psld import REFERENCE_STEPS, loss_gradient, reach


def diffstategrad(  # noqa: PLR0913 - the method's own parameters, bound once with functools.partial
    prior: Prior,
    operator: Operator,
    y: Tensor,
    *,
    noise: Noise,
    start: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
    steps: int = 25,
    t0: float = 0.6,
    omega: float = 0.03,
    gamma: float = 0.01,
    eta: float = 0.0,
    share: float = 0.99,
    levers: Levers = ALL_OFF,
) -> Tensor:
    """Draw images that explain ``y``, one per row, each independent of its batch-mates.

        g ← U Uᵀ g V Vᵀ,  z_t = U S Vᵀ by channel, cut where ``share`` of its energy is held

    PSLD's step with its gradient g put into the leading singular vectors of the state, so that the measurement can't
    push z_t off what it is made of. Draws differ more than PSLD's, whose posterior is too narrow. Weights and lengths
    of steps are PSLD's.

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
        share: of the state's energy that the leading singular vectors hold, in (0, 1]; at 1 it is PSLD.
        levers: what is saved on the way, and the closing; a step that guides for k stands for k times as many.

    Returns:
        Images (B, C, H, W), not clipped.

    Source: Zirvi et al. 2025, arXiv 2410.03463, algorithm 1, on PSLD as there.
    """
    schedule = times(prior.alphas_cumprod, steps, t0)
    seen = operator.adjoint(y)
    z_t = begin(prior, seen, noise, start, t0, schedule[0][1])
    scale = levers.every * REFERENCE_STEPS * t0 / steps

    def guide(prior: Prior, z_t: Tensor, t: Tensor, abar_t: float, abar_s: float) -> Guided:
        z0, loss, missed, gradient = loss_gradient(prior, operator, y, z_t, t, omega, gamma)
        inside = into_state(gradient, z_t, share)
        z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, eta, noise)
        return z_s, z_s - reach(scale, loss, inside) * inside, missed

    return descend(
        prior, guide, z_t, schedule, noise=noise, eta=eta, levers=levers, operator=operator, y=y, on_step=on_step
    )


def into_state(gradient: Tensor, z_t: Tensor, share: float) -> Tensor:
    """The gradient's part in the leading singular vectors of each channel of the state, (B, c, h, w).

    Leading are the fewest that hold ``share`` of the channel's energy.
    """
    u, s, vh = torch.linalg.svd(z_t, full_matrices=False)
    energy = s.square() / s.square().sum(-1, keepdim=True).clamp_min(1e-20)
    leading = (energy.cumsum(-1) - energy < share).to(z_t)[..., None, :]
    left, right = u * leading, vh.mT * leading
    inside: Tensor = left @ (left.mT @ gradient @ right) @ right.mT
    return inside
