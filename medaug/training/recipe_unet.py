"""The UNet of a recipe."""

from __future__ import annotations

import torch
from torch import nn

from medaug.imaging.seeds import seed_for
from medaug.inverse.priors.networks.unet import MID_LAYERS, unet
from medaug.training.recipe import TrainingRecipe


def fresh_network(recipe: TrainingRecipe, side: int) -> nn.Module:
    """With random weights, by the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "unet"))
        return unet(network_config(recipe, side))


def network_config(recipe: TrainingRecipe, side: int) -> dict[str, object]:
    """The network of a recipe, as `unet` takes it: attention at the coarsest level only.

    Where parts are hidden from it, one more channel says which cells it sees.
    """
    plan, levels = recipe.diffusion, len(recipe.diffusion.channels)
    deeper = {MID_LAYERS: plan.mid_layers} if plan.mid_layers > 1 else {}
    return {
        "sample_size": side,
        "in_channels": recipe.autoencoder.channels + (recipe.ambient is not None),
        "out_channels": recipe.autoencoder.channels,
        "block_out_channels": list(plan.channels),
        "layers_per_block": plan.layers,
        "down_block_types": ["DownBlock2D"] * (levels - 1) + ["AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D"] + ["UpBlock2D"] * (levels - 1),
        "norm_num_groups": plan.groups,
        "attention_head_dim": plan.head,
        **deeper,
    }
