"""A lapped transform as autoencoder: 16-tap strided convolutions from the patch PCA, and small residual branches.

A plain PCA of 8×8 patches keeps more of a radiograph than a convolutional autoencoder of ten times the size trained for
minutes, so the network starts there: at step 0 it *is* the patch PCA, and training lets the taps reach over the
patch's edge and the branches add what a linear map can't. Being close to a linear orthogonal map, E and D nearly
invert each other, which is what the gluing term of PSLD asks for (arXiv 2307.00619, section 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere


class LappedAutoencoder(nn.Module):
    """Grey images (B, 1, H, W) in [-1, 1] ↔ latents (B, channels, H/stride, W/stride), unit variance per channel.

    Args:
        channels: latent channels.
        width: channels inside the residual branches.
        stride: px per latent cell; the taps reach over 2 · stride px.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int = 8, width: int = 64, stride: int = 8) -> None:
        super().__init__()
        self.stride = stride
        self.analysis = nn.Conv2d(1, channels, 2 * stride, stride)
        self.synthesis = nn.ConvTranspose2d(channels, 1, 2 * stride, stride, padding=stride // 2)
        self.encoder_branch = _branch(stride**2, width, channels)
        self.decoder_branch = _branch(channels, width, stride**2)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))

    def encode(self, x: Tensor) -> Tensor:
        """Images → normalised latents; deterministic."""
        overlap = self.stride // 2
        linear = self.analysis(F.pad(x, (overlap,) * 4, mode="replicate"))
        raw = linear + self.encoder_branch(F.pixel_unshuffle(x, self.stride))
        return torch.as_tensor((raw - self.mean) / self.std)

    def decode(self, z: Tensor) -> Tensor:
        """Normalised latents → images, not clipped."""
        raw = z * self.std + self.mean
        return torch.as_tensor(self.synthesis(raw) + F.pixel_shuffle(self.decoder_branch(raw), self.stride))

    @torch.no_grad()
    def amplitudes(self) -> Tensor:
        """(channels,) how strongly one unit of each latent channel shows in the image; their mean is 1.

        The mean grey of a patch shows about 8 times as strongly as the next channel, and 40 times as the last.
        """
        shown: Tensor = torch.linalg.vector_norm(self.synthesis.weight.flatten(1), dim=1) * self.std.flatten()
        return shown / shown.mean()

    @torch.no_grad()
    def start_from_patches(self, patches: Tensor) -> None:
        """Set the linear part to the PCA of patches (N, stride, stride), each channel scaled to unit variance."""
        stride, channels = self.stride, self.analysis.out_channels
        flat = patches.flatten(1).double()
        level = flat.mean()
        values, vectors = torch.linalg.eigh((flat - level).T @ (flat - level) / len(flat))
        basis = vectors[:, -channels:].flip(1).T.reshape(channels, 1, stride, stride)  # greatest variance first
        basis = basis * torch.where(basis.sum(dim=(1, 2, 3), keepdim=True) < 0, -1.0, 1.0)  # the sign is free: fix it
        scale = values[-channels:].flip(0).sqrt().reshape(channels, 1, 1, 1)
        centre = slice(stride // 2, stride // 2 + stride)
        for kernel, taps in ((self.analysis.weight, basis / scale), (self.synthesis.weight, basis * scale)):
            kernel.zero_()
            kernel[:, :, centre, centre] = taps.float()
        self.analysis.bias.copy_(-(level * basis / scale).sum(dim=(1, 2, 3)))  # type: ignore[union-attr]
        self.synthesis.bias.fill_(float(level))  # type: ignore[union-attr]


def _branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
    last = nn.Conv2d(width, outputs, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    first, middle = nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
    return nn.Sequential(first, nn.SiLU(), middle, nn.SiLU(), last)
