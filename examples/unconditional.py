"""Images from a prior alone, with no measurement, and what makes them plausible wholes.

No run of medaug draws without a measurement: this is for the demo's images and for sheets of a prior's draws.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from medaug.inverse.noise import SampleNoise
from medaug.inverse.priors.card import EMBEDDED
from medaug.inverse.priors.latent_prior import LatentPrior, Network, frozen
from medaug.inverse.priors.loaders.trained import load_trained, telling_all
from medaug.inverse.priors.networks.unet import unet
from medaug.inverse.protocols import Noise, Prior
from medaug.inverse.sampling.ddim import ddim, noise_in
from medaug.inverse.sampling.schedule import times


@torch.no_grad()
def draw(prior: Prior, seeds: list[int], steps: int, size: int | None = None, *, eta: float = 0.0) -> Tensor:
    """One image (B, 1, size, size) for each seed, from pure noise; not clipped.

    Network calls: ``steps`` of denoise, one of decode.

    Args:
        prior: the diffusion model, on the CPU.
        seeds: one for each image; an image hangs on its own seed alone.
        steps: denoising steps.
        size: px of the square; the prior's own if left out.
        eta: 0 is deterministic DDIM, 1 ancestral: fresh noise in each step makes up for errors of the steps before,
            so that a small network draws more plausible wholes.

    Source: Song et al. 2021, arXiv 2010.02502, eq. 12 and 16.
    """
    side = (size or prior.card.size) // prior.card.stride
    noise: Noise = SampleNoise(seeds)
    z = noise((len(seeds), prior.card.latent_channels, side, side))
    for t, abar_t, abar_s in times(prior.alphas_cumprod, steps, 1.0):
        z0 = prior.denoise(z, torch.full((len(z),), t, device=z.device))
        z = ddim(z0, noise_in(z, z0, abar_t), abar_t, abar_s, eta, noise)
    return prior.decode(z)


def with_attention_guidance(folder: Path = EMBEDDED, strength: float = 1.0) -> LatentPrior:
    """A prior that medaug trained, each estimate pushed away from the one without self-attention.

    Whole bodies come out more plausible and less varied, at twice the cost.

    Args:
        folder: the prior's.
        strength: how far; 0: not at all.

    Source: Ahn et al. 2024, arXiv 2403.17377 (perturbed-attention guidance), section 4.
    """
    prior = load_trained(folder)
    if not strength:
        return prior
    net = unet(json.loads((folder / "unet.json").read_text()))
    net.load_state_dict(load_file(folder / "unet.safetensors"))
    half = half_inattentive(frozen(net, "cpu"))
    return replace(prior, network=pushed_apart(telling_all(half, prior.card.latent_channels), strength))


def half_inattentive(net: nn.Module) -> nn.Module:
    """The network, changed in place: in the second half of its batch each position attends to itself alone."""
    from diffusers.models.attention_processor import Attention, PAGIdentitySelfAttnProcessor2_0

    for module in net.modules():
        if isinstance(module, Attention):
            module.set_processor(PAGIdentitySelfAttnProcessor2_0())
    return net


def pushed_apart(half: Network, strength: float) -> Network:
    """What the attentive half says, pushed away from what the other says; one call of twice the batch."""

    def guided(z: Tensor, t: Tensor) -> Tensor:
        attentive, other = half(torch.cat([z, z]), torch.cat([t, t])).chunk(2)
        return attentive + strength * (attentive - other)

    return guided
