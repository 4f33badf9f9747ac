"""Training without seeing the lesions: they are hidden from the images, and a little more is hidden from the network.

Were nothing else hidden, the network would learn to paint the hole. So a further part of each image is hidden from its
input, and it is asked for everything that is known, that part included: it can't tell which cells it will be asked for,
and so learns to fill all of them from the rest. When images are generated it is told that all is seen.

Source: Daras et al. 2023, "Ambient Diffusion", arXiv 2305.19256, equation 3.2, here on latent cells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from medaug.inverse.aligned import from_array
from medaug.training.recipe import AmbientRecipe

HIDDEN = 0  # grey level that replaces a lesion: as dark as what lies around the image
REACH = 3  # cells: how far the autoencoder's encoder looks, by its three 3×3 convolutions on the grid of cells


def without_lesions(images: npt.NDArray[np.uint8], lesions: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """The images (N, H, W) with every lesion's pixels replaced; nothing of what was there is left."""
    return np.where(lesions, np.uint8(HIDDEN), images)


def known_cells(lesions: npt.NDArray[np.bool_], stride: int) -> Tensor:
    """(N, H, W) pixels of lesions → (N, 1, h, w), True for latent cells that no lesion reaches through the encoder."""
    touched = F.max_pool2d(from_array(lesions).float()[:, None], stride)
    return F.max_pool2d(touched, 2 * REACH + 1, stride=1, padding=REACH) == 0


def further(known: Tensor, plan: AmbientRecipe, draw: torch.Generator) -> Tensor:
    """What the network sees of the known cells (B, 1, h, w): all but single cells and a rectangle of ``plan``'s size.

    A rectangle as large as a lesion can lie anywhere, so that a lesion's place is nothing out of the ordinary.
    """
    count, _, rows, columns = known.shape
    seen = known & (torch.rand(known.shape, generator=draw) >= plan.rate)
    side = max(1, round(plan.side * min(rows, columns)))
    tops = torch.randint(0, rows - side + 1, (count,), generator=draw)
    lefts = torch.randint(0, columns - side + 1, (count,), generator=draw)
    i, j = torch.arange(rows)[:, None], torch.arange(columns)
    top, left = tops.reshape(-1, 1, 1, 1), lefts.reshape(-1, 1, 1, 1)
    inside = (i >= top) & (i < top + side) & (j >= left) & (j < left + side)
    return seen & ~inside


def ambient_loss(  # noqa: PLR0913 - `diffusion_loss` and the two masks
    net: nn.Module, z0: Tensor, t: Tensor, noise: Tensor, alphas: Tensor, weight: Tensor, known: Tensor, seen: Tensor
) -> Tensor:
    """`diffusion.diffusion_loss` over the known cells, of a network that sees fewer of them.

    Args:
        net: takes the latents and, as one more channel, which cells it sees.
        z0: (B, c, h, w); what stands in unknown cells plays no part.
        t: (B,).
        noise: as z0.
        alphas: (T,) abar.
        weight: (c,) of the channels.
        known: (B, 1, h, w), True where z0 is known.
        seen: (B, 1, h, w), a part of ``known``.
    """
    a = alphas[t].reshape(-1, 1, 1, 1)
    clean = torch.where(known, z0, 0.0)
    v = a.sqrt() * noise - (1 - a).sqrt() * clean
    z_t = torch.where(seen, a.sqrt() * clean + (1 - a).sqrt() * noise, 0.0)
    output: Tensor = net(torch.cat([z_t, seen.to(z_t.dtype)], dim=1), t, return_dict=False)[0]
    square = (output.float() - v).square() * weight[:, None, None] * known
    return square.sum() / (known.sum() * z0.shape[1]).clamp(min=1)
