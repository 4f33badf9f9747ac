"""The adapter between a network of whatever kind and the protocol `Prior`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from medaug.inverse.aligned import aligned
from medaug.inverse.device import constant
from medaug.inverse.priors.card import PredictionType, PriorCard
from medaug.inverse.priors.rectified_flow import clean_of_flow, unscaled

Map = Callable[[Tensor], Tensor]
Network = Callable[[Tensor, Tensor], Tensor]
BLACK = -1.0
P = TypeVar("P")


@dataclass(frozen=True, eq=False)
class LatentPrior:
    """A latent diffusion model; satisfies `medaug.inverse.protocols.Prior`.

    Attributes:
        card: who made it, of what.
        alphas_cumprod: (T,) float32 on the CPU, falling.
        encoder: images (B, 1, H, W) → normalised latents; the mean, never a sample.
        decoder: normalised latents → images (B, 1, H, W).
        network: (z_t, t) → what ``card.prediction_type`` says.
        prompted: a prompt → the network under it; None for a prior that takes no prompt.
        fast: a small encoder and decoder on the same latents, None where there is none; see `with_fast_autoencoder`.
    """

    card: PriorCard
    alphas_cumprod: Tensor
    encoder: Map
    decoder: Map
    network: Network
    prompted: Callable[[str], Network] | None = None
    fast: tuple[Map, Map] | None = None

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, 1, H, W) in [-1, 1] → latents (B, c, H/stride, W/stride)."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Latents → images (B, 1, H, W), about [-1, 1], not clipped."""
        return self.decoder(z)

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        """Noisy latents and integer times (B,) → the estimate of z0."""
        abar = constant(self.alphas_cumprod, z_t.device, torch.float32)[t].reshape(-1, 1, 1, 1)
        kind = self.card.prediction_type
        return clean_from(kind, self.network(*asked(kind, z_t, t, abar)), z_t, abar)


def with_fast_autoencoder(prior: P) -> P | LatentPrior:
    """The prior with its small autoencoder in place of the full one; the same prior where it has none."""
    if not isinstance(prior, LatentPrior) or prior.fast is None:
        return prior
    return replace(prior, encoder=prior.fast[0], decoder=prior.fast[1])


def padded(prior: LatentPrior, size: int) -> LatentPrior:
    """The prior for squares of ``size`` px, where its own sides must be a multiple of ``card.multiple``.

    Images are centred on black before they are encoded, and decoded images are cut back: the solver works on latents of
    the larger square, and never sees the border. At a size that fits already the prior is returned as it is.
    """
    multiple = math.lcm(prior.card.stride, prior.card.multiple)
    extra = -size % multiple
    if not extra:
        return prior
    before = extra // 2

    def around(encoder: Map, decoder: Map) -> tuple[Map, Map]:
        sides = (before, extra - before) * 2
        return (
            lambda x: encoder(F.pad(x, sides, value=BLACK)),
            lambda z: decoder(z)[..., before : before + size, before : before + size],
        )

    encoder, decoder = around(prior.encoder, prior.decoder)
    return replace(prior, encoder=encoder, decoder=decoder, fast=around(*prior.fast) if prior.fast else None)


def clean_from(kind: PredictionType, output: Tensor, z_t: Tensor, abar: Tensor) -> Tensor:
    """The estimate of z0 from what the network predicts, where z_t = sqrt(abar) z0 + sqrt(1 − abar) eps.

    Source: Salimans & Ho 2022, arXiv 2202.00512, appendix D: v = sqrt(abar) eps − sqrt(1 − abar) z0;
    for flow see `priors.rectified_flow`.
    """
    match kind:
        case "epsilon":
            return (z_t - (1 - abar).sqrt() * output) / abar.sqrt()
        case "v_prediction":
            return abar.sqrt() * z_t - (1 - abar).sqrt() * output
        case "sample":
            return output
        case "flow":
            return clean_of_flow(output, z_t, abar)
        case _:
            assert_never(kind)


def asked(kind: PredictionType, z_t: Tensor, t: Tensor, abar: Tensor) -> tuple[Tensor, Tensor]:
    """The state and the time that a network of this kind is given; a flow's times count from 0, no noise."""
    return (unscaled(z_t, abar), t + 1) if kind == "flow" else (z_t, t)


def target_of(kind: PredictionType, z0: Tensor, noise: Tensor, abar: Tensor) -> Tensor:
    """What a network of this kind has to predict: `clean_from` of it is z0 again. Source: as there."""
    match kind:
        case "epsilon":
            return noise
        case "v_prediction":
            return abar.sqrt() * noise - (1 - abar).sqrt() * z0
        case "sample":
            return z0
        case "flow":
            return noise - z0
        case _:
            assert_never(kind)


def frozen(net: nn.Module, device: str) -> nn.Module:
    """The network on its device, in evaluation mode, float32, aligned, without gradients of its weights.

    Gradients still flow to the input, which is all that a solver needs.
    """
    # torch's own `to`: diffusers' first imports its hooks, with torch's compiler and peft, to see that it has none set
    return aligned(nn.Module.to(net, device).float()).eval().requires_grad_(False)
