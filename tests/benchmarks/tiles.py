"""A prior at native resolution: its network on overlapping tiles of a canvas of any size. Not in the package.

At every step each tile is denoised by itself and the estimates are averaged where tiles overlap, weighted by a window
that falls towards a tile's rim: the closed form of MultiDiffusion (Bar-Tal et al. 2023, arXiv 2302.08113, eq. 5), with
per-pixel weights. Estimates of z0, of eps and of the next z_t are the same up to linear maps with the same factors
everywhere, so it doesn't matter which is averaged. The autoencoder is convolutional and sees the canvas whole. Noise is
drawn once for the whole canvas, by the sample's own generator, so tiles share it where they overlap.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from medaug.inverse.priors.latent_prior import LatentPrior

AT_ONCE = 8  # tiles


def tiled(prior: LatentPrior, tile: int = 32, overlap: int = 8) -> LatentPrior:
    """``prior`` for images of any size that is a multiple of its stride and holds a tile; sizes in latent cells."""
    ramp = torch.minimum(torch.arange(tile) + 1, torch.arange(tile, 0, -1)).clamp(max=overlap) / overlap
    window = ramp[:, None] * ramp[None, :]

    def network(z: Tensor, t: Tensor) -> Tensor:
        corners = [(i, j) for i in starts(z.shape[2], tile, overlap) for j in starts(z.shape[3], tile, overlap)]
        total, weight = torch.zeros_like(z), torch.zeros(z.shape[2:])
        for first in range(0, len(corners), AT_ONCE):
            group = corners[first : first + AT_ONCE]
            parts = torch.cat([z[:, :, i : i + tile, j : j + tile] for i, j in group])
            made = prior.network(parts, t.repeat(len(group))).chunk(len(group))
            for (i, j), part in zip(group, made, strict=True):
                total[:, :, i : i + tile, j : j + tile] += window * part
                weight[i : i + tile, j : j + tile] += window
        return total / weight

    return replace(prior, network=network)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along an axis: evenly, at least ``overlap`` cells shared, the last one at the end."""
    count = 1 + max(0, -(-(length - tile) // (tile - overlap)))
    return [round(n * (length - tile) / max(1, count - 1)) for n in range(count)]
