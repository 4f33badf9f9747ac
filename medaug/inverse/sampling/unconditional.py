"""Images from a prior alone, with no measurement."""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.noise import SampleNoise
from medaug.inverse.protocols import Noise, Prior
from medaug.inverse.sampling.ddim import ddim, noise_in
from medaug.inverse.sampling.schedule import times


@torch.no_grad()
def draw(prior: Prior, seeds: list[int], steps: int, size: int | None = None, *, eta: float = 0.0) -> Tensor:
    """One image (B, 1, size, size) for each seed, from pure noise; not clipped.

    Network calls: ``steps`` of denoise, one of decode.

    Args:
        prior: the diffusion model.
        seeds: one for each image; an image hangs on its own seed alone.
        steps: denoising steps.
        size: px of the square; the prior's own if left out.
        eta: 0 is deterministic DDIM, 1 ancestral: fresh noise in each step makes up for errors of the steps before,
            so that a small network draws more plausible wholes.

    Source: Song et al. 2021, arXiv 2010.02502, eq. 12 and 16.
    """
    side = (size or prior.card.size) // prior.card.stride
    noise: Noise = SampleNoise(seeds, prior.alphas_cumprod.device)
    z = noise((len(seeds), prior.card.latent_channels, side, side))
    for t, abar_t, abar_s in times(prior.alphas_cumprod, steps, 1.0):
        z0 = prior.denoise(z, torch.full((len(z),), t, device=z.device))
        z = ddim(z0, noise_in(z, z0, abar_t), abar_t, abar_s, eta, noise)
    return prior.decode(z)
