"""The adapter between a network of whatever kind and the protocol `Prior`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from medaug.inverse.priors.card import PredictionType, PriorCard

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class LatentPrior:
    """A latent diffusion model; satisfies `medaug.inverse.protocols.Prior`.

    Attributes:
        card: who made it, of what.
        alphas_cumprod: (T,) float32, falling.
        encoder: images (B, 1, H, W) → normalised latents; the mean, never a sample.
        decoder: normalised latents → images (B, 1, H, W).
        network: (z_t, t) → what ``card.prediction_type`` says.
    """

    card: PriorCard
    alphas_cumprod: Tensor
    encoder: Map
    decoder: Map
    network: Callable[[Tensor, Tensor], Tensor]

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, 1, H, W) in [-1, 1] → latents (B, c, H/stride, W/stride)."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Latents → images (B, 1, H, W), about [-1, 1], not clipped."""
        return self.decoder(z)

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        """Noisy latents and integer times (B,) → the estimate of z0."""
        abar = self.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return clean_from(self.card.prediction_type, self.network(z_t, t), z_t, abar)


def clean_from(kind: PredictionType, output: Tensor, z_t: Tensor, abar: Tensor) -> Tensor:
    """The estimate of z0 from what the network predicts, where z_t = sqrt(abar) z0 + sqrt(1 − abar) eps.

    Source: Salimans & Ho 2022, arXiv 2202.00512, appendix D: v = sqrt(abar) eps − sqrt(1 − abar) z0.
    """
    if kind == "epsilon":
        return (z_t - (1 - abar).sqrt() * output) / abar.sqrt()
    if kind == "v_prediction":
        return abar.sqrt() * z_t - (1 - abar).sqrt() * output
    return output


def frozen(net: nn.Module, device: str) -> nn.Module:
    """The network on its device, in evaluation mode, float32, without gradients of its weights.

    Gradients still flow to the input, which is all that a solver needs.
    """
    return net.to(device).float().eval().requires_grad_(False)
