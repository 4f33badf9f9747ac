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
    """A UNet2DModel with fresh weights, which leaves the global random state as it was."""
    with unaccompanied():
        from diffusers.models.unets.unet_2d import UNet2DModel

    with torch.random.fork_rng(devices=[]):
        net: nn.Module = UNet2DModel(**config)
    return net
