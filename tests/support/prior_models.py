"""The real architectures, shrunk, with random weights."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WIDTH, TOKENS = 8, 3


def vae(channels: int, **changes: Any) -> Any:
    from diffusers import AutoencoderKL

    settings: dict[str, Any] = {
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "block_out_channels": (8, 8),
        "norm_num_groups": 4,
        "latent_channels": 4,
        "sample_size": 16,
        "scaling_factor": 0.5,
        "shift_factor": 0.1,
    }
    return AutoencoderKL(**{**settings, **changes})


def unet(kind: str, **changes: Any) -> Any:
    import diffusers

    settings: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
    }
    if kind == "UNet2DModel":
        settings |= {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    else:
        settings |= {
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "cross_attention_dim": WIDTH,
        }
    return getattr(diffusers, kind)(**{**settings, **changes})


def vq() -> Any:
    from diffusers import VQModel

    return VQModel(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        sample_size=16,
        num_vq_embeddings=16,
        scaling_factor=0.5,
    )


def folder(path: Path, vae: Any, unet: Any, **scheduler: Any) -> Path:
    vae.save_pretrained(path / "vae", safe_serialization=True)
    unet.save_pretrained(path / "unet", safe_serialization=True)
    (path / "scheduler").mkdir()
    config = {"_class_name": "PNDMScheduler", "steps_offset": 1, "beta_schedule": "scaled_linear", **scheduler}
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    return path


def tiny(**changes: Any) -> Any:
    from diffusers import AutoencoderTiny

    settings: dict[str, Any] = {
        "in_channels": 1,
        "out_channels": 1,
        "encoder_block_out_channels": (8, 8),
        "decoder_block_out_channels": (8, 8),
        "num_encoder_blocks": (1, 1),
        "num_decoder_blocks": (1, 1),
        "latent_channels": 4,
    }
    return AutoencoderTiny(**{**settings, **changes})


def null(path: Path, value: float = 0.3) -> Path:
    save_file({"null_embedding": torch.full((1, TOKENS, WIDTH), value)}, path / "null_embedding.safetensors")
    return path


def plain(path: Path, **scheduler: Any) -> Path:
    """An unconditional model of grey images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return folder(path, vae(1), unet("UNet2DModel"), **({"prediction_type": "v_prediction"} | scheduler))


def colour(path: Path, **scheduler: Any) -> Path:
    """Stable Diffusion's parts: colour, conditioned on text, which isn't there yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return folder(
            path, vae(3), unet("UNet2DConditionModel"), **({"beta_start": 8.5e-4, "beta_end": 0.012} | scheduler)
        )


def speaking(path: Path) -> Path:
    """Give a folder CLIP's tokenizer, of single letters, and CLIP's text encoder at random weights."""
    from transformers import CLIPTextConfig, CLIPTextModel

    letters = string.ascii_lowercase + string.digits + "-<>,"
    start, end = "<|startoftext|>", "<|endoftext|>"
    vocabulary = {piece: n for n, piece in enumerate([*letters, *(f"{c}</w>" for c in letters), start, end])}
    (path / "tokenizer").mkdir()
    (path / "tokenizer" / "vocab.json").write_text(json.dumps(vocabulary))
    (path / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    special = {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 16, **special}
    (path / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(settings))
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=vocabulary[start],
        eos_token_id=vocabulary[end],
        pad_token_id=vocabulary[end],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        CLIPTextModel(config).save_pretrained(path / "text_encoder", safe_serialization=True)
    return path
