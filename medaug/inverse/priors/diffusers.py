"""A latent diffusion model from a local folder in diffusers' layout; nothing is ever downloaded.

    folder/
      vae/           AutoencoderKL or VQModel             config.json, *.safetensors
      unet/          UNet2DModel or UNet2DConditionModel  config.json, *.safetensors
      scheduler/     scheduler_config.json: betas and prediction type
      null_embedding.safetensors, or text_encoder/ and tokenizer/   for a UNet2DConditionModel

A colour prior sees a grey image as three equal channels, and the mean of its three channels is taken back. A
conditional UNet runs on the empty prompt, without guidance.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import load_file
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.priors.card import PredictionType, PriorCard, digest_of
from medaug.inverse.priors.embedded import schedule
from medaug.inverse.priors.folders import NULL_EMBEDDING, file_digests
from medaug.inverse.priors.latent import LatentPrior, frozen

_CLASSES = {"vae": ("AutoencoderKL", "VQModel"), "unet": ("UNet2DModel", "UNet2DConditionModel")}
_PICKLED = ("*.bin", "*.ckpt", "*.pt", "*.pth")


def load_diffusers(path: Path, device: str = "cpu") -> LatentPrior:
    """Load a folder in diffusers' layout (see above).

    Args:
        path: the folder; its name becomes the prior's.
        device: where the weights go.

    Raises:
        PriorError: a part is missing, of an unknown class, or stored as pickle.
    """
    vae, unet = _network(path, "vae", device), _network(path, "unet", device)
    if unet.config["in_channels"] != unet.config["out_channels"]:
        raise PriorError(
            f"prior {path.name}: unet: expected as many output as input channels, found "
            f"{unet.config['out_channels']} and {unet.config['in_channels']}; use a model without extra channels"
        )
    scheduler = _scheduler(path)
    card = _card(path, vae.config, unet.config, scheduler)
    encode, decode = _autoencoder(vae)
    return LatentPrior(card, schedule(scheduler).to(device), encode, decode, _denoiser(path, unet, device))


def _network(path: Path, part: str, device: str) -> Any:
    import diffusers

    folder = path / part
    name = _config(folder / "config.json", path.name).get("_class_name")
    if name not in _CLASSES[part]:
        raise PriorError(f"prior {path.name}: {part}: expected {' or '.join(_CLASSES[part])}, found {name}")
    if not any(folder.glob("*.safetensors")):
        found = "pickled weights" if any(next(folder.glob(p), None) for p in _PICKLED) else "no weights"
        raise PriorError(
            f"prior {path.name}: {part}: expected *.safetensors, found {found}; pickle can run code, so "
            "convert it on a machine that may: model.save_pretrained(folder, safe_serialization=True)"
        )
    try:
        with torch.random.fork_rng(devices=[]):
            net = getattr(diffusers, name).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                low_cpu_mem_usage=importlib.util.find_spec("accelerate") is not None,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise PriorError(f"prior {path.name}: {part}: expected weights of a {name}, found: {error}") from error
    return frozen(net, device)


def _config(path: Path, prior: str) -> dict[str, Any]:
    where = f"prior {prior}: {path.parent.name}/{path.name}"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PriorError(f"{where}: expected JSON of diffusers' layout, found none; see docs/prior.md") from error
    if not isinstance(config, dict):
        raise PriorError(f"{where}: expected an object, found {type(config).__name__}")
    return config


def _scheduler(path: Path) -> dict[str, Any]:
    """The scheduler's configuration, with its prediction type stated.

    A flow-matching scheduler has no betas, and would pass for one that predicts epsilon.
    """
    config = _config(path / "scheduler" / "scheduler_config.json", path.name)
    config.setdefault("prediction_type", "epsilon")  # diffusers' own default
    known = get_args(PredictionType)
    if config["prediction_type"] not in known or not config.keys() & {"beta_schedule", "trained_betas"}:
        raise PriorError(
            f"prior {path.name}: scheduler: expected betas and a prediction type of {', '.join(known)}; found "
            f"{config.get('_class_name')} with {config['prediction_type']}; use a DDPM-like model"
        )
    return config


def _autoencoder(vae: Any) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Encoder (the mean) and decoder on one grey channel; z = (mean − shift) · scale, as in diffusers' pipelines."""
    channels = vae.config["in_channels"]
    scale, shift = vae.config.get("scaling_factor") or 1.0, vae.config.get("shift_factor") or 0.0

    def encode(x: Tensor) -> Tensor:
        output = vae.encode(x.expand(-1, channels, -1, -1))
        mean = output.latent_dist.mean if hasattr(output, "latent_dist") else output.latents
        return torch.as_tensor((mean - shift) * scale)

    def decode(z: Tensor) -> Tensor:
        image: Tensor = vae.decode(z / scale + shift, return_dict=False)[0]
        return image.mean(dim=1, keepdim=True)

    return encode, decode


def _denoiser(path: Path, unet: Any, device: str) -> Callable[[Tensor, Tensor], Tensor]:
    if unet.config["_class_name"] == "UNet2DModel":
        return lambda z, t: unet(z, t, return_dict=False)[0]
    null = _null_embedding(path).to(device)
    expected = unet.config["cross_attention_dim"]
    if null.ndim != 3 or null.shape[0] != 1 or null.shape[-1] != expected:
        raise PriorError(
            f"prior {path.name}: null embedding: expected (1, tokens, {expected}), found {tuple(null.shape)}"
        )
    return lambda z, t: unet(z, t, null.expand(len(z), -1, -1), return_dict=False)[0]


def _null_embedding(path: Path) -> Tensor:
    """The embedding of the empty prompt (1, tokens, width): from its file, else from the text encoder."""
    if (path / NULL_EMBEDDING).is_file():
        tensors = load_file(path / NULL_EMBEDDING)
        if len(tensors) != 1:
            raise PriorError(f"prior {path.name}: {NULL_EMBEDDING}: expected one tensor, found {len(tensors)}")
        return next(iter(tensors.values())).float()
    folders = (path / "text_encoder").is_dir() and (path / "tokenizer").is_dir()
    if not folders or importlib.util.find_spec("transformers") is None:
        found = "both folders but no package transformers" if folders else "no text_encoder/ and tokenizer/"
        raise PriorError(
            f"prior {path.name}: its UNet is conditional; expected {NULL_EMBEDDING} beside it, or text_encoder/ and "
            f"tokenizer/ with the package transformers; found {found}; add one of them"
        )
    transformers: Any = importlib.import_module("transformers")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
    encoder = transformers.CLIPTextModel.from_pretrained(
        path / "text_encoder", local_files_only=True, use_safetensors=True
    )
    length = tokenizer.model_max_length
    tokens = tokenizer("", padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    with torch.no_grad():
        embedding: Tensor = encoder.eval()(tokens.input_ids)[0]
    return embedding.float()


def _card(path: Path, vae: dict[str, Any], unet: dict[str, Any], scheduler: dict[str, Any]) -> PriorCard:
    files = file_digests(path)
    stride = 2 ** (len(vae["block_out_channels"]) - 1)
    side = unet["sample_size"]
    return PriorCard(
        name=path.name if re.fullmatch(r"[\w.-]{1,64}", path.name, re.ASCII) else f"prior-{digest_of(files)[:8]}",
        sha256=digest_of(files),
        licence="unknown: see the model's own licence",
        attribution="",
        trained_on="unknown",
        size=stride * (side if isinstance(side, int) else max(side)),
        channels=vae["in_channels"],
        stride=stride,
        multiple=stride * 2 ** (len(unet["block_out_channels"]) - 1),
        latent_channels=unet["in_channels"],
        prediction_type=scheduler["prediction_type"],
        not_for="diagnosis",
        files=files,
    )
