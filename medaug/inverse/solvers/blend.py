"""Latent blending: what most people use for in-painting. For block masks; a cheap baseline."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from medaug.inverse.operators import Inpainting
from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import begin
from medaug.inverse.sampling.guided_ddim import EVERY_STEP, DenoisingStep, Guidance, Guided, descend


@torch.no_grad()
def blend(
    problem: Problem, *, steps: int = 25, t0: float = 0.6, eta: float = 0.0, guidance: Guidance = EVERY_STEP
) -> Tensor:
    """Draw images that agree with the source in the latent cells that were observed as a whole.

        z_s = m · (the source's latents at the noise level of s)  +  (1 − m) · DDIM(z_t)

    A cell counts as observed (m = 1) when the operator keeps every one of its pixels, so single observed pixels are
    not looked at: that is this method's limit, not a fault of the measurement.

    Network calls: ``steps`` of denoise, no encode (one where there is no start), one of decode.

    Args:
        problem: what is solved.
        steps: as for every solver, see `Solver`.
        t0: likewise.
        eta: likewise.
        guidance: no step meets the autoencoder or a residual, so only ``every`` and ``closing`` do anything, and a
            budget the closing alone.

    Raises:
        ValueError: the operator doesn't keep or drop single pixels.

    Source: Avrahami et al. 2023, "Blended latent diffusion", arXiv 2206.02779, algorithm 1.
    """
    operator, y = problem.operator, problem.y
    if not isinstance(operator, Inpainting):  # told by its kind: a look at its values would wait for the device
        found = type(operator).__name__
        raise ValueError(f"blend: expected an operator that keeps or drops each pixel, Inpainting, found {found}")  # noqa: TRY004
    seen = operator.adjoint(y)
    kept = operator.adjoint(operator.forward(torch.ones_like(seen)))
    source = problem.prior.encode(seen) if problem.start is None else problem.start
    m = _whole_cells(kept, source)
    schedule, z_t = begin(replace(problem, start=source), steps, t0)
    xi = problem.noise(tuple(source.shape))

    def guide(step: DenoisingStep) -> Guided:
        z_s = step.unguided(step.denoised())
        return z_s, m * (step.abar_s**0.5 * source + (1 - step.abar_s) ** 0.5 * xi) + (1 - m) * z_s, None

    return descend(problem, guide, schedule, z_t, eta=eta, guidance=guidance)


def _whole_cells(kept: Tensor, z: Tensor) -> Tensor:
    """(B, C, H, W) of 0 and 1 → (B, 1, h, w): 1 where all pixels of a latent cell are 1."""
    stride = kept.shape[-1] // z.shape[-1]
    dropped = 1 - kept.amin(dim=1, keepdim=True)
    return 1 - torch.nn.functional.max_pool2d(dropped, stride)
