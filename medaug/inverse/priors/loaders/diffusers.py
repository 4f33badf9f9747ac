"""A latent diffusion model from a local folder in diffusers' layout; nothing is ever downloaded.

    folder/
      vae/           AutoencoderKL or VQModel             config.json, *.safetensors
      unet/          UNet2DModel or UNet2DConditionModel  config.json, *.safetensors
      scheduler/     scheduler_config.json: betas and prediction type
      null_embedding.safetensors, or text_encoder/ and tokenizer/   for a UNet2DConditionModel
      vae_tiny/      AutoencoderTiny on the same latents  config.json, *.safetensors           (optional)
      card.json      what the user knows of it: licence, calibrated weights, …                  (optional)

A colour prior sees a grey image as three equal channels, and the mean of its three channels is taken back. A
conditional UNet runs on the empty prompt, without guidance, unless `guidance.guided` puts it under another one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, PredictionType, PriorCard, card_text, digest_of, with_facts
from medaug.inverse.priors.latent_prior import LatentPrior, Map, Network, frozen
from medaug.inverse.priors.loaders.declared import check_weights, read_config
from medaug.inverse.priors.loaders.layout import digests, shown
from medaug.inverse.priors.loaders.text_encoder import null_embedding, prompt_embedding
from medaug.inverse.priors.networks.unet import FLOW, schedule
from medaug.storage.plain_files import is_plain

_CLASSES = {
    "vae": ("AutoencoderKL", "VQModel"),
    "vae_tiny": ("AutoencoderTiny",),
    "unet": ("UNet2DModel", "UNet2DConditionModel"),
}
_PICKLED = ("*.bin", "*.ckpt", "*.pt", "*.pth")


def load_diffusers(path: Path, device: str = "cpu") -> LatentPrior:
    """Load a folder in diffusers' layout (see above).

    Args:
        path: the folder; its name becomes the prior's.
        device: where the weights go.

    Raises:
        PriorError: a part is missing, of an unknown class, or stored as pickle.
    """
    vae, unet = load_network(path, "vae", device), load_network(path, "unet", device)
    _check_unet(path, unet.config)
    _check_vae(path, vae.config)
    scheduler = scheduler_config(path)
    card = _card(path, vae.config, unet.config, scheduler)
    encode, decode = autoencoder(vae)
    fast, alphas = _fast(path, vae, device), schedule(scheduler)
    if unet.config["_class_name"] == "UNet2DModel":
        return LatentPrior(card, alphas, encode, decode, lambda z, t: unet(z, t, return_dict=False)[0], fast=fast)
    network, prompted = _conditional(path, unet, device)
    return LatentPrior(card, alphas, encode, decode, network, prompted, fast)


def load_network(path: Path, part: str, device: str) -> Any:
    """One network of the folder (vae, vae_tiny or unet), frozen.

    Raises:
        PriorError: an unknown class, pickled weights, or not all of them.
    """
    import diffusers

    folder = path / part
    config = _config(folder / "config.json", shown(path))
    name = _class_of(config, path, part)
    if not any(folder.glob("*.safetensors")):
        found = "pickled weights" if any(next(folder.glob(p), None) for p in _PICKLED) else "no weights"
        raise PriorError(
            f"prior {shown(path)}: {part}: expected *.safetensors, found {found}; pickle can run code, so "
            "convert it on a machine that may: model.save_pretrained(folder, safe_serialization=True)",
            code="prior-weights",
        )
    check_weights(
        lambda: getattr(diffusers, name).from_config(config),
        folder.glob("*.safetensors"),
        f"prior {shown(path)}: {part}",
    )
    try:
        with torch.random.fork_rng(devices=[]):
            net, report = getattr(diffusers, name).from_pretrained(
                folder,
                output_loading_info=True,
                local_files_only=True,
                use_safetensors=True,
                low_cpu_mem_usage=importlib.util.find_spec("accelerate") is not None,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise PriorError(
            f"prior {shown(path)}: {part}: expected weights of a {name}, found: {error}", code="prior-weights"
        ) from error
    if report["missing_keys"]:  # diffusers would go on with random numbers there
        raise PriorError(
            f"prior {shown(path)}: {part}: expected all weights of a {name}, found {len(report['missing_keys'])} "
            f"missing, such as {min(report['missing_keys'])}; use the weights that belong to config.json",
            code="prior-weights",
        )
    return frozen(net, device)


def _class_of(config: dict[str, Any], path: Path, part: str) -> str:
    name = config.get("_class_name")
    if name not in _CLASSES[part]:
        expected = f"expected {' or '.join(_CLASSES[part])}, found {name}"
        raise PriorError(f"prior {shown(path)}: {part}: {expected}", code="prior-unsuitable")
    return str(name)


def _config(path: Path, prior: str) -> dict[str, Any]:
    return read_config(path, f"prior {prior}: {path.parent.name}/{path.name}")


def scheduler_config(path: Path) -> dict[str, Any]:
    """The scheduler's configuration, with its prediction type stated: of a flow's, ``flow``.

    Raises:
        PriorError: neither betas with a known prediction type, nor a flow's.
    """
    config = _config(path / "scheduler" / "scheduler_config.json", shown(path))
    if config.get("_class_name") == FLOW:
        return config | {"prediction_type": "flow"}
    config.setdefault("prediction_type", "epsilon")  # diffusers' own default
    known = [kind for kind in get_args(PredictionType) if kind != "flow"]
    if config["prediction_type"] not in known or not config.keys() & {"beta_schedule", "trained_betas"}:
        raise PriorError(
            f"prior {shown(path)}: scheduler: expected betas and a prediction type of {', '.join(known)}; found "
            f"{config.get('_class_name')} with {config['prediction_type']}; use a DDPM-like model",
            code="prior-unsuitable",
        )
    return config


def autoencoder(vae: Any) -> tuple[Map, Map]:
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


def _conditional(path: Path, unet: Any, device: str) -> tuple[Network, Callable[[str], Network]]:
    """The UNet under the empty prompt, and a function that puts it under another one."""
    width = unet.config["cross_attention_dim"]

    def under(embedding: Tensor) -> Network:
        moved = embedding.to(device)
        return lambda z, t: unet(z, t, moved.expand(len(z), -1, -1), return_dict=False)[0]

    return under(null_embedding(path, width)), lambda prompt: under(prompt_embedding(path, prompt, width))


def _fast(path: Path, vae: Any, device: str) -> tuple[Map, Map] | None:
    """The small autoencoder, where there is one; its latents must be the full one's."""
    if not (path / "vae_tiny").is_dir():
        return None
    tiny = load_network(path, "vae_tiny", device)
    stride = 2 ** (len(tiny.config["encoder_block_out_channels"]) - 1)
    found = (stride, tiny.config["latent_channels"], tiny.config["in_channels"])
    expected = (_stride(vae.config), vae.config["latent_channels"], vae.config["in_channels"])
    if found != expected:
        raise PriorError(
            f"prior {shown(path)}: vae_tiny: expected stride, latent channels and image channels {expected} as in "
            f"vae/, found {found}; use the small autoencoder that was made for this model",
            code="prior-unsuitable",
        )
    return autoencoder(tiny)


def _check_unet(path: Path, unet: dict[str, Any]) -> None:
    if unet["in_channels"] != unet["out_channels"]:
        raise PriorError(
            f"prior {shown(path)}: unet: expected as many output as input channels, found "
            f"{unet['out_channels']} and {unet['in_channels']}; use a model without extra channels",
            code="prior-unsuitable",
        )
    for key in ("class_embed_type", "num_class_embeds", "addition_embed_type"):
        if unet.get(key) is not None:
            raise PriorError(
                f"prior {shown(path)}: unet: expected no condition but text, found {key} {unet[key]!r}; use a model of "
                "Stable Diffusion 1.x or 2.x, or an unconditional one",
                code="prior-unsuitable",
            )


def _check_vae(path: Path, vae: dict[str, Any]) -> None:
    channels = (vae["in_channels"], vae["out_channels"])
    if channels not in {(1, 1), (3, 3)}:
        raise PriorError(
            f"prior {shown(path)}: vae: expected 1 (grey) or 3 (colour) channels in and out, found {channels}; "
            "use a model of images",
            code="prior-unsuitable",
        )


def _stride(vae: dict[str, Any]) -> int:
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def _card(path: Path, vae: dict[str, Any], unet: dict[str, Any], scheduler: dict[str, Any]) -> PriorCard:
    files = digests(path, "diffusers")
    stride, side = _stride(vae), unet["sample_size"]
    card = PriorCard(
        name=shown(path),
        sha256=digest_of(files),
        licence="unknown: see the model's own licence",
        attribution="",
        trained_on="unknown",
        size=stride * (side if isinstance(side, int) else max(side)),
        channels=vae["in_channels"],
        stride=stride,
        multiple=stride * 2 ** (len(unet["block_out_channels"]) - 1),
        latent_channels=unet["in_channels"],
        latent_scale=(float(vae.get("scaling_factor") or 1.0),),
        prediction_type=scheduler["prediction_type"],
        not_for="diagnosis",
        files=files,
    )
    return with_facts(card, card_text(path)) if is_plain(path / CARD) else card
