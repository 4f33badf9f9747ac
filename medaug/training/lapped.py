"""The lapped autoencoder's two passes at 0.8 of the cost: the same sums as `LappedAutoencoder`, in another order.

A convolution with 16 taps, stride 8 and one grey channel leaves most of a vector unit idle. Over blocks of 8×8 px taken
as 64 channels it is one with 2×2 taps and stride 1, which doesn't. Only training uses it: rounding differs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder


def encode(net: LappedAutoencoder, x: Tensor) -> Tensor:
    """`LappedAutoencoder.encode`, up to rounding: (B, 1, H, W) → (B, c, h, w)."""
    overlap = net.stride // 2
    blocks = F.pixel_unshuffle(F.pad(x, (overlap,) * 4, mode="replicate"), net.stride)
    raw = F.conv2d(blocks, _taps(net.analysis.weight, net.stride), net.analysis.bias)
    raw = raw + net.encoder_branch(F.pixel_unshuffle(x, net.stride))
    return torch.as_tensor((raw - net.mean) / net.std)


def decode(net: LappedAutoencoder, z: Tensor) -> Tensor:
    """`LappedAutoencoder.decode`, up to rounding: (B, c, h, w) → (B, 1, H, W)."""
    overlap = net.stride // 2
    raw = z * net.std + net.mean
    taps = _taps(net.synthesis.weight, net.stride).transpose(0, 1).flip(2, 3)
    lapped = F.pixel_shuffle(F.conv2d(raw, taps, padding=1), net.stride)[..., overlap:-overlap, overlap:-overlap]
    level: Tensor = net.synthesis.bias  # type: ignore[assignment]  # ConvTranspose2d may be without
    return lapped + level + F.pixel_shuffle(net.decoder_branch(raw), net.stride)


def _taps(weight: Tensor, stride: int) -> Tensor:
    """(c, 1, 2 · stride, 2 · stride) → (c, stride², 2, 2), blocks' pixels in the order of ``pixel_unshuffle``."""
    return weight.reshape(-1, 2, stride, 2, stride).permute(0, 2, 4, 1, 3).flatten(1, 2)
