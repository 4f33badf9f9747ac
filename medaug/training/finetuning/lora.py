"""Low-rank additions to a network's attention (LoRA, by peft): put in to learn, and added up when they have.

Source: Hu et al. 2021, arXiv 2106.09685.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.training.finetuning.recipe import LoraRecipe

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")  # the projections of an attention layer, by diffusers' names
_ADDED, _UNDER = "lora_", "base_layer."


def put_in(net: nn.Module, plan: LoraRecipe, seed: int) -> dict[str, nn.Parameter]:
    """Give every attention layer its addition, which adds nothing yet; all else is frozen.

    Args:
        net: changed in place.
        plan: rank and weight.
        seed: of the starting values.

    Returns:
        The additions' parameters by name.

    Raises:
        PriorError: peft isn't installed, or the network has no attention.
    """
    peft = _peft()
    net.requires_grad_(False)
    config = peft.LoraConfig(r=plan.rank, lora_alpha=plan.alpha, target_modules=list(ATTENTION))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            peft.inject_adapter_in_model(config, net)
    except ValueError as error:  # peft found none of these layers
        raise PriorError(
            f"prior: unet: expected attention layers with {', '.join(ATTENTION)}, found none; a network without "
            "attention can't take LoRA",
            code="prior-unsuitable",
        ) from error
    return {name: value for name, value in net.named_parameters() if _ADDED in name}


@torch.no_grad()
def added_up(net: nn.Module) -> dict[str, Tensor]:
    """The network's weights by their own names, with the additions in them; the network is left as it is."""
    layers = [module for module in net.modules() if isinstance(module, _peft().tuners.lora.LoraLayer)]
    kept = {id(layer): layer.get_base_layer().weight.detach().clone() for layer in layers}
    for layer in layers:
        layer.merge()
    summed = {name: value.detach().clone() for name, value in net.state_dict().items() if _ADDED not in name}
    for layer in layers:
        layer.merged_adapters.clear()
        layer.get_base_layer().weight.copy_(kept[id(layer)])  # exactly, which subtracting again would not give
    return {name.replace(_UNDER, ""): value for name, value in summed.items()}


def _peft() -> Any:
    try:
        importlib.import_module("peft.tuners.lora")
        return importlib.import_module("peft")
    except ImportError as error:
        raise PriorError(
            "training: expected the package peft for LoRA, found none; pip install medaug[lora]", code="prior-package"
        ) from error
