"""Stable Diffusion 1.4's full architecture, once, at random weights: 6 GB of memory, 2 GB of disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from medaug.inverse.priors.loaders.diffusers import load_diffusers
from tests.support import prior_models as models

UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "cross_attention_dim": 768,
}
VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32,
    "sample_size": 512,
    "scaling_factor": 0.18215,
    "shift_factor": None,
}


def _filled(net: Any) -> Any:
    draw = torch.Generator().manual_seed(1)
    net = net.to(torch.bfloat16).to_empty(device="cpu")
    for parameter in net.parameters():
        parameter.data.uniform_(-0.03, 0.03, generator=draw)
    return net


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_stable_diffusion_14_loads_and_denoises(tmp_path: Path) -> None:
    with torch.device("meta"):
        vae, unet = models.vae(3, **VAE), models.unet("UNet2DConditionModel", **UNET)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964  # as published
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863
    folder = models.folder(tmp_path / "sd", _filled(vae), _filled(unet), beta_start=8.5e-4, beta_end=0.012)
    del vae, unet
    save_file({"null": torch.zeros(1, 77, 768)}, folder / "null_embedding.safetensors")
    prior = load_diffusers(folder)
    assert (prior.card.size, prior.card.stride, prior.card.multiple) == (512, 8, 64)
    assert prior.card.latent_scale == (0.18215,)
    with torch.no_grad():
        z = prior.encode(_image(128))
        assert z.shape == (1, 4, 16, 16)
        assert prior.denoise(z, torch.tensor([500])).shape == z.shape
        assert prior.decode(z).shape == (1, 1, 128, 128)
    assert json.loads(prior.card.to_json())["prediction_type"] == "epsilon"


def _image(side: int) -> torch.Tensor:
    return torch.rand((1, 1, side, side), generator=torch.Generator().manual_seed(4)) * 2 - 1
