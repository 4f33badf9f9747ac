"""The UNet of the priors that medaug trains, and the noise schedule in diffusers' words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from medaug.inverse.priors.networks.diffusers_models import unaccompanied
from medaug.inverse.priors.rectified_flow import flow_schedule

SCHEDULER = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
}
FLOW = "FlowMatchEulerDiscreteScheduler"
FLOW_SCHEDULER = {"_class_name": FLOW, "num_train_timesteps": 1000, "prediction_type": "flow"}
SCHEDULERS = {"v_prediction": SCHEDULER, "flow": FLOW_SCHEDULER}  # by what a network that medaug trains predicts

MID_LAYERS = "mid_layers"  # of the middle block: a key of medaug's own, where diffusers' model always has one

_BETAS = frozenset(
    {"num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr"}
)


def schedule(config: Mapping[str, Any] = SCHEDULER) -> Tensor:
    """abar_t (T,) float32 of a scheduler in diffusers' words; what doesn't concern noise levels is ignored.

    Of a flow's scheduler the shift is ignored, too: it says which times are visited, not what a time means.

    Raises:
        ValueError: they are no shares that fall from 1 to 0.
    """
    if config.get("_class_name") == FLOW:
        return flow_schedule(int(config.get("num_train_timesteps", 1000)))
    with unaccompanied():
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    betas = {key: value for key, value in config.items() if key in _BETAS}
    alphas: Tensor = DDPMScheduler(**betas).alphas_cumprod
    if alphas.ndim != 1 or not len(alphas) or not bool(((alphas >= 0) & (alphas <= 1)).all()):
        raise ValueError("betas")
    return alphas.float()


def unet(config: Mapping[str, Any]) -> nn.Module:
    """A UNet2DModel with fresh weights, which leaves the global random state as it was.

    Args:
        config: diffusers' keys, and `MID_LAYERS` where the middle block has more than one.
    """
    with unaccompanied():
        from diffusers.models.unets.unet_2d import UNet2DModel

    ours = {key: value for key, value in config.items() if key != MID_LAYERS}
    with torch.random.fork_rng(devices=[]):
        net: nn.Module = UNet2DModel(**ours)
        if (layers := config.get(MID_LAYERS, 1)) > 1:
            net.mid_block = _middle(net, layers)
    return net


def _middle(net: nn.Module, layers: int) -> nn.Module:
    """As the model's own, with more layers."""
    with unaccompanied():
        from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D

    declared: Mapping[str, Any] = net.config  # type: ignore[assignment]
    middle: nn.Module = UNetMidBlock2D(
        in_channels=declared["block_out_channels"][-1],
        temb_channels=4 * declared["block_out_channels"][0],  # of the model's own time embedding
        num_layers=layers,
        resnet_eps=declared["norm_eps"],
        resnet_groups=declared["norm_num_groups"],
        attention_head_dim=declared["attention_head_dim"],
    )
    return middle
