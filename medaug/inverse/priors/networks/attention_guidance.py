"""A network beside itself without self-attention: where the two differ, structure lies."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from medaug.inverse.priors.latent_prior import Network


def half_inattentive(net: nn.Module) -> nn.Module:
    """A twin that shares the weights; in the second half of its batch each place attends to itself alone.

    Args:
        net: of diffusers; it is left as it is.
    """
    from diffusers.models.attention_processor import Attention, PAGIdentitySelfAttnProcessor2_0

    twin = copy.deepcopy(net, {id(weight): weight for weight in net.parameters()})
    for module in twin.modules():
        if isinstance(module, Attention):
            module.set_processor(PAGIdentitySelfAttnProcessor2_0())
    return twin


def pushed_apart(half: Network, strength: float) -> Network:
    """What the attentive half says, pushed away from what the other says; one call of twice the batch.

    Args:
        half: of `half_inattentive`.
        strength: how far; at 0 nothing is pushed.

    Source: Ahn et al. 2024, arXiv 2403.17377 (perturbed-attention guidance), section 4.
    """

    def guided(z: Tensor, t: Tensor) -> Tensor:
        attentive, other = half(torch.cat([z, z]), torch.cat([t, t])).chunk(2)
        return attentive + strength * (attentive - other)

    return guided
