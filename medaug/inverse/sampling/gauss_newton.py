"""The data step through the decoder: the latents nearest to a proposal that explain the measurement."""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.conjugate_gradients import conjugate_gradients

SECANT = 0.1  # root mean square of the latents' step for J v: a third of the cost of the derivative, and near it


@torch.no_grad()
def correction(problem: Problem, z0: Tensor, rho: float, iterations: int) -> tuple[Tensor, Tensor]:
    """The change dz of one Gauss-Newton step, and what the proposal missed.

        (Jᵀ Aᵀ A J + rho I) dz = Jᵀ Aᵀ (y − A D(z0))

    J v is a secant of the decoder and Jᵀ its backward pass.

    Network calls: ``1 + iterations`` of decode.

    Args:
        problem: asked for the prior's decoder, A and y.
        z0: (B, c, h, w), the proposal.
        rho: how much dz costs beside the misfit: the measurement's variance over the proposal's.
        iterations: of conjugate gradients.

    Returns:
        dz (B, c, h, w), and A D(z0) − y (B, …).
    """
    prior, operator = problem.prior, problem.operator
    with torch.enable_grad():
        leaf = z0.detach().requires_grad_(True)
        x0 = prior.decode(leaf)

    def pull(x: Tensor) -> Tensor:
        with torch.enable_grad():
            inner = (x0 * x).sum()  # Jᵀ x to the bit; asked for by grad_outputs, torch imports sympy: half a second
        (back,) = torch.autograd.grad(inner, leaf, retain_graph=True)
        return back

    def normal(v: Tensor) -> Tensor:
        h = SECANT / v.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        push = (prior.decode(z0 + h * v) - x0.detach()) / h
        return pull(operator.adjoint(operator.forward(push))) + rho * v

    missed = operator.forward(x0.detach()) - problem.y
    return conjugate_gradients(normal, pull(operator.adjoint(-missed)), iterations), missed
