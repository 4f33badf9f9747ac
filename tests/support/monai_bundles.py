"""A MONAI bundle's folder, built in code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from medaug.inverse.priors.loaders.monai import build
from medaug.inverse.priors.loaders.monai_bundle import Bundle, read_bundle

CONFIG: dict[str, Any] = {
    "imports": ["$import os", "$__import__('os').system('touch executed')"],
    "bundle_root": ".",
    "create_output_dir": "$__import__('pathlib').Path('executed').touch()",
    "spatial_dims": 2,
    "image_channels": 1,
    "latent_channels": 2,
    "autoencoder_def": {
        "_target_": "monai.networks.nets.autoencoderkl.AutoencoderKL",
        "spatial_dims": "@spatial_dims",
        "in_channels": "@image_channels",
        "out_channels": "@image_channels",
        "latent_channels": "@latent_channels",
        "channels": [8, 8, 8],
        "num_res_blocks": 1,
        "norm_num_groups": 4,
        "norm_eps": 1e-06,
        "attention_levels": [False, False, False],
        "with_encoder_nonlocal_attn": True,
        "with_decoder_nonlocal_attn": True,
        "include_fc": False,
    },
    "network_def": {
        "_target_": "monai.networks.nets.diffusion_model_unet.DiffusionModelUNet",
        "spatial_dims": "@spatial_dims",
        "in_channels": "@latent_channels",
        "out_channels": "@latent_channels",
        "channels": [8, 16],
        "attention_levels": [False, True],
        "num_head_channels": [0, 8],
        "num_res_blocks": 1,
        "norm_num_groups": 4,
        "include_fc": False,
        "use_combined_linear": False,
    },
    "load_autoencoder": "$@autoencoder_def.load_old_state_dict(torch.load(@load_autoencoder_path))",
    "noise_scheduler": {
        "_target_": "monai.networks.schedulers.ddim.DDIMScheduler",
        "_requires_": ["@load_diffusion", "@load_autoencoder"],
        "num_train_timesteps": 1000,
        "beta_start": 0.0015,
        "beta_end": 0.0195,
        "schedule": "scaled_linear_beta",
        "clip_sample": False,
    },
    "run": ["$@create_output_dir"],
}
FLOWING = CONFIG | {
    "network_def": {key: value for key, value in CONFIG["network_def"].items() if key != "channels"}
    | {
        "_target_": "monai.apps.generation.maisi.networks.diffusion_model_unet_maisi.DiffusionModelUNetMaisi",
        "num_channels": CONFIG["network_def"]["channels"],
    },
    "noise_scheduler": {
        "_target_": "monai.networks.schedulers.rectified_flow.RFlowScheduler",
        "num_train_timesteps": 1000,
        "use_discrete_timesteps": False,
        "sample_method": "uniform",
    },
}


METADATA = {
    "copyright": "Copyright (c) Somebody",
    "data_type": "nibabel",
    "image_classes": "axial slices",
    "intended_use": "research",
    "autoencoder_data_format": {"inputs": {"image": {"spatial_shape": [30, 30], "value_range": [0, 1]}}},
}


def bundle_folder(folder: Path, *, pickled: bool, config: dict[str, Any] = CONFIG) -> Path:
    """A bundle as the model zoo lays it out, with random weights; unpickling starts a process, which takes seconds."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(METADATA))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        read = read_bundle(folder)
        autoencoder, network = build("AutoencoderKL", read.autoencoder, folder), _network(read, folder)
    if not pickled:
        save_file(autoencoder.state_dict(), folder / "models" / "model_autoencoder.safetensors")
        save_file(network.state_dict(), folder / "models" / "model.safetensors")
        return folder
    torch.save(autoencoder.state_dict(), folder / "models" / "model_autoencoder.pt")
    torch.save({"model": network.state_dict()}, folder / "models" / "model.pt")
    return folder


def _network(read: Bundle, folder: Path) -> torch.nn.Module:
    net = build(read.network_class, read.network, folder)
    with torch.no_grad():  # MONAI starts its last layer at zero
        for parameter in net.parameters():
            parameter.add_(torch.linspace(-0.05, 0.05, parameter.numel()).reshape(parameter.shape))
    return net
