"""DiffStateGrad: PSLD, guided only within what the state itself is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import begin
from medaug.inverse.sampling.guided_ddim import EVERY_STEP, DenoisingStep, Guidance, Guided, descend
from medaug.inverse.solvers.psld import REFERENCE_STEPS, loss_gradient, reach


def diffstategrad(  # noqa: PLR0913 - the method's own parameters, bound once with functools.partial
    problem: Problem,
    *,
    steps: int = 25,
    t0: float = 0.6,
    omega: float = 0.03,
    gamma: float = 0.01,
    eta: float = 0.0,
    share: float = 0.99,
    guidance: Guidance = EVERY_STEP,
) -> Tensor:
    """PSLD's step with its gradient g put into the leading singular vectors of the state.

        g ← U Uᵀ g V Vᵀ,  z_t = U S Vᵀ by channel, cut where ``share`` of its energy is held

    So the measurement can't push z_t off what it is made of. Draws differ more than PSLD's, whose posterior is too
    narrow. Weights and lengths of steps are PSLD's.

    Network calls: ``steps`` of denoise, ``steps`` of encode, ``steps + 1`` of decode.

    Args:
        problem: what is solved.
        steps: as for every solver, see `Solver`.
        t0: likewise.
        omega: weight of the measurement term.
        gamma: weight of the gluing term.
        eta: likewise.
        share: of the state's energy that the leading singular vectors hold, in (0, 1]; at 1 it is PSLD.
        guidance: likewise; a step that guides for k stands for k times as many.

    Source: Zirvi et al. 2025, arXiv 2410.03463, algorithm 1, on PSLD as there.
    """
    schedule, z_t = begin(problem, steps, t0)
    scale = guidance.every * REFERENCE_STEPS * t0 / steps

    def guide(step: DenoisingStep) -> Guided:
        z0, loss, missed, gradient = loss_gradient(step, omega, gamma)
        inside = into_state(gradient, step.z_t, share)
        z_s = step.unguided(z0)
        return z_s, z_s - reach(scale, loss, inside) * inside, missed

    return descend(problem, guide, schedule, z_t, eta=eta, guidance=guidance)


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
