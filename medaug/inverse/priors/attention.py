"""A network beside itself without self-attention: what it then gets wrong shows which way structure lies."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from medaug.inverse.priors.latent import Network


def beside_inattentive(net: nn.Module, strength: float) -> Network:
    """The network, pushed away from what it says when each place attends to itself alone.

    One call of twice the batch. The weights are shared, and the network itself is left as it is.

    Args:
        net: of diffusers, (z, t) → what it predicts, linear in z0 for a given z.
        strength: how far; 0 is the network itself.

    Source: Ahn et al. 2024, arXiv 2403.17377 (perturbed-attention guidance), eq. 14; the layers are diffusers'.
    """
    from diffusers.models.attention_processor import Attention, PAGIdentitySelfAttnProcessor2_0

    twin = copy.deepcopy(net, {id(weight): weight for weight in net.parameters()})
    for module in twin.modules():
        if isinstance(module, Attention):
            module.set_processor(PAGIdentitySelfAttnProcessor2_0())

    def guided(z: Tensor, t: Tensor) -> Tensor:
        both = twin(torch.cat([z, z]), torch.cat([t, t]), return_dict=False)[0]
        attentive, inattentive = both.chunk(2)
        return attentive + strength * (attentive - inattentive)

    return guided
