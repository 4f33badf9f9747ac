"""The pieces that diffusion solvers share: where they begin, and one DDIM step."""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Noise, Prior


def begin(prior: Prior, like: Tensor, noise: Noise, start: Tensor | None, t0: float, abar: float) -> Tensor:
    """The first z_t: pure noise, or ``start`` noised to the share of signal ``abar``.

    Args:
        prior: asked for the shape of its latents where there is no start; one call of encode.
        like: (B, C, H, W), any images of the shape that is wanted, such as Aᵀy.
        noise: one stream per sample; drawn from once.
        start: clean latents (B, c, h, w), or None.
        t0: first time as a share of all; at 1 the start isn't looked at.
        abar: share of signal at the first time.
    """
    with torch.no_grad():
        shape = prior.encode(torch.zeros_like(like)).shape if start is None else start.shape
    z_t = noise(tuple(shape))
    if start is None or t0 >= 1:
        return z_t
    first: Tensor = abar**0.5 * start + (1 - abar) ** 0.5 * z_t
    return first


def noise_in(z_t: Tensor, z0: Tensor, abar_t: float) -> Tensor:
    """The noise eps for which z_t = sqrt(abar_t) z0 + sqrt(1 − abar_t) eps."""
    eps: Tensor = (z_t - abar_t**0.5 * z0) / (1 - abar_t) ** 0.5
    return eps


def ddim(z0: Tensor, eps: Tensor, abar_t: float, abar_s: float, eta: float, noise: Noise) -> Tensor:
    """From time t to the earlier time s; ``eta`` 0 is deterministic, 1 ancestral.

    Source: Song et al. 2021, arXiv 2010.02502, eq. 12 and 16.
    """
    sigma = eta * ((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s)) ** 0.5
    z_s: Tensor = abar_s**0.5 * z0 + max(1 - abar_s - sigma**2, 0.0) ** 0.5 * eps
    return z_s + sigma * noise(tuple(z0.shape)) if sigma > 0 else z_s
