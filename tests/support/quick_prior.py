"""An embedded prior's card over an autoencoder and a network that cost nothing.

For tests of the line from file to file, which is the same whatever the prior knows: two thirds of such a run went into
the embedded network, at 64 px too. What the embedded prior itself does is held by `tests/inverse`, `tests/system` and
`tests/cli`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import torch
from scipy.fft import idctn
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from medaug import assemble
from medaug.inverse.priors.card import EMBEDDED, read_card
from medaug.inverse.priors.embedded import embedded_with
from medaug.inverse.priors.latent_prior import LatentPrior

LOWEST = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))  # of a patch's 64 cosines, one a channel


def quick_prior(device: str = "cpu", sha256: str | None = None) -> LatentPrior:
    """Eight cosines of each patch of 8 × 8 as latents, which are independent N(0, 1), or nearly."""
    card = replace(read_card(embedded_with(sha256) if sha256 else EMBEDDED), latent_channels=len(LOWEST))
    cosines = torch.zeros(len(LOWEST), 1, card.stride, card.stride)
    for channel, (down, across) in enumerate(LOWEST):
        cosines[channel, 0, down, across] = 1
    cosines = torch.from_numpy(idctn(cosines.numpy(), axes=(2, 3), norm="ortho")).to(device)
    scale = torch.tensor([4.0, *[1.0] * (len(LOWEST) - 1)], device=device).reshape(1, -1, 1, 1)
    time = (torch.arange(1000) + 0.5) / 1000

    def encode(x: Tensor) -> Tensor:
        return F.conv2d(x, cosines, stride=card.stride) / scale

    def decode(z: Tensor) -> Tensor:
        return F.conv_transpose2d(z * scale, cosines, stride=card.stride)

    alphas = (torch.cos(time * torch.pi / 2) ** 2).clamp(min=1e-4)
    return LatentPrior(card, alphas, encode, decode, lambda z, _: 0.1 * torch.tanh(z))


@contextmanager
def in_place_of_the_embedded() -> Iterator[None]:
    """Runs of this process that name the embedded prior take the quick one."""
    with mock.patch.object(assemble, "load_embedded", quick_prior):
        yield
