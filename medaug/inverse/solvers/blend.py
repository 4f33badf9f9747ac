"""Latent blending: what most people use for in-painting. For block masks; a cheap baseline."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.sampling.ddim import begin, ddim, noise_in
from medaug.inverse.sampling.guided_ddim import ALL_OFF, Guided, Levers, descend
from medaug.inverse.sampling.schedule import times


@torch.no_grad()
def blend(  # noqa: PLR0913 - the method's own parameters, bound once with functools.partial
    prior: Prior,
    operator: Operator,
    y: Tensor,
    *,
    noise: Noise,
    start: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
    steps: int = 25,
    t0: float = 0.6,
    eta: float = 0.0,
    levers: Levers = ALL_OFF,
) -> Tensor:
    """Draw images that agree with the source in the latent cells that were observed as a whole.

        z_s = m · (the source's latents at the noise level of s)  +  (1 − m) · DDIM(z_t)

    A cell counts as observed (m = 1) when the operator keeps every one of its pixels, so single observed pixels are
    not looked at: that is this method's limit, not a fault of the measurement.

    Network calls: ``steps`` of denoise, no encode (one where there is no start), one of decode.

    Args:
        prior: the latent diffusion model.
        operator: keeps or drops each pixel, such as `operators.Inpainting`.
        y: (B, C, H, W), the measurement of each sample.
        noise: one stream per sample.
        start: the source's clean latents (B, c, h, w), which are blended in; E(Aᵀy) when None.
        on_step: called with (step, steps) before each step.
        steps: denoising steps.
        t0: first time as a share of all, in (0, 1]; 1 begins from pure noise.
        eta: 0 for deterministic DDIM, 1 for ancestral noise.
        levers: no step meets the autoencoder or a residual, so only ``every`` and ``closing`` do anything, and a budget
            the closing alone.

    Returns:
        Images (B, C, H, W), not clipped.

    Raises:
        ValueError: the operator doesn't keep or drop single pixels.

    Source: Avrahami et al. 2023, "Blended latent diffusion", arXiv 2206.02779, algorithm 1.
    """
    seen = operator.adjoint(y)
    kept = operator.adjoint(operator.forward(torch.ones_like(seen)))
    if not torch.equal(operator.forward(seen), y) or not bool(((kept == 0) | (kept == 1)).all()):
        raise ValueError("blend: expected an operator that keeps or drops each pixel, found one that mixes them")
    source = prior.encode(seen) if start is None else start
    m = _whole_cells(kept, source)
    schedule = times(prior.alphas_cumprod, steps, t0)
    z_t = begin(prior, seen, noise, source, t0, schedule[0][1])
    xi = noise(tuple(source.shape))

    def guide(prior: Prior, z_t: Tensor, t: Tensor, abar_t: float, abar_s: float) -> Guided:
        z0 = prior.denoise(z_t, t)
        z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, eta, noise)
        return z_s, m * (abar_s**0.5 * source + (1 - abar_s) ** 0.5 * xi) + (1 - m) * z_s, None

    return descend(
        prior, guide, z_t, schedule, noise=noise, eta=eta, levers=levers, operator=operator, y=y, on_step=on_step
    )


def _whole_cells(kept: Tensor, z: Tensor) -> Tensor:
    """(B, C, H, W) of 0 and 1 → (B, 1, h, w): 1 where all pixels of a latent cell are 1."""
    stride = kept.shape[-1] // z.shape[-1]
    dropped = 1 - kept.amin(dim=1, keepdim=True)
    return 1 - torch.nn.functional.max_pool2d(dropped, stride)
