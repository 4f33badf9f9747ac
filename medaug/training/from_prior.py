"""Train on the user's own DICOM and NIfTI, from scratch or from a prior that medaug trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.loaders.layout import layout_of
from medaug.inverse.priors.loaders.load import card_of, rehash
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.inverse.priors.networks.unet import MID_LAYERS
from medaug.storage.plain_files import read_document
from medaug.training.ambient_diffusion import without_lesions
from medaug.training.image_pool import Pool
from medaug.training.own_images import PriorSquares
from medaug.training.recipe import AmbientRecipe, TrainingRecipe
from medaug.training.recipe_unet import network_config


def yours() -> Path:
    """The recipe for a user's own images."""
    return Path(__file__).parent / "recipes" / "yours-256.yaml"


def ambient_recipe(recipe: TrainingRecipe) -> TrainingRecipe:
    """The recipe with lesions hidden, and 10 % of the cells and a square of a quarter of the side beyond them."""
    return recipe if recipe.ambient else recipe.model_copy(update={"ambient": AmbientRecipe(rate=0.1, side=0.25)})


def pool_of(found: PriorSquares, validation: float, *, hide: bool) -> Pool:
    """Slices as a training pool; a patient's slices are all held out or all trained on.

    Args:
        found: of `inputs.presented`.
        validation: share of patients held out, by a hash of their images.
        hide: replace lesions, so that nothing after this sees them.

    Raises:
        PriorError: fewer than two patients.
    """
    patients = sorted(set(found.patients), key=_rank)
    if len(patients) < 2:
        raise PriorError(
            f"training data: expected images of at least two patients, so that one can be held out, found "
            f"{len(patients)}; give more",
            code="training-data",
        )
    count = min(len(patients) - 1, max(1, round(validation * len(patients))))
    held = set(patients[:count])
    images = np.rint((found.images + 1) * 127.5).astype(np.uint8)
    names = tuple(f"{patient}/{name}" for patient, name in zip(found.patients, found.names, strict=True))
    return Pool(
        names,
        without_lesions(images, found.lesions) if hide else images,
        found.extents,
        np.array([patient in held for patient in found.patients], dtype=np.bool_),
        found.lesions if hide else None,
        found.labels,
    )


def started_from(recipe: TrainingRecipe, base: Path) -> TrainingRecipe:
    """The recipe with the architecture of ``base``, and its digest as a part of it.

    Raises:
        PriorError: ``base`` isn't a prior that medaug trained, or was changed.
    """
    card = card_of(base)
    if layout_of(base) != "medaug":
        raise PriorError(
            f"prior {card.name}: expected one that medaug trained, found another layout; a folder of diffusers takes a "
            "recipe like finetune.yaml, a MONAI bundle can't be trained on",
            code="prior-unsuitable",
        )
    rehash(base, card)
    first, second = _config(base, "autoencoder"), _config(base, "unet")
    autoencoder = recipe.autoencoder.model_copy(update={key: first[key] for key in ("channels", "width")})
    diffusion = recipe.diffusion.model_copy(
        update={
            "channels": tuple(second["block_out_channels"]),
            "layers": second["layers_per_block"],
            "mid_layers": second.get(MID_LAYERS, 1),
            "head": second["attention_head_dim"],
            "groups": second["norm_num_groups"],
        }
    )
    made = recipe.model_copy(update={"autoencoder": autoencoder, "diffusion": diffusion, "base": card.sha256})
    expected = network_config(made, recipe.data.size // first["stride"])
    unlike = [k for k, v in expected.items() if k not in {"sample_size", "in_channels"} and second.get(k) != v]
    if unlike:
        raise PriorError(
            f"prior {card.name}: unet.json: expected a network that a recipe can describe, found another "
            f"{', '.join(sorted(unlike))}; start from a prior of this version",
            code="prior-unsuitable",
        )
    return made


def base_autoencoder(base: Path) -> LappedAutoencoder:
    """The autoencoder of a prior that medaug trained; it isn't trained on."""
    with torch.random.fork_rng(devices=[]):
        net = LappedAutoencoder(**_config(base, "autoencoder"))
    net.load_state_dict(load_tensors(base / "autoencoder.safetensors"))
    return net


@torch.no_grad()
def start_network(net: nn.Module, base: Path) -> None:
    """Set the weights to the base's, so that the network says what the base's does.

    A channel that the base doesn't know starts at zero, a layer of the middle block as the identity.

    Raises:
        PriorError: the base was trained with hidden lesions, and this network isn't.
    """
    weights = {name: value.float() for name, value in load_tensors(base / "unet.safetensors").items()}
    expected = net.state_dict()["conv_in.weight"].shape[1]
    weights["conv_in.weight"] = _widened(weights["conv_in.weight"], expected)
    net.load_state_dict(_identities(net, weights) | weights)


def _identities(net: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The middle block's layers beyond the base's: fresh, but for their last operation, which gives 0 to add."""
    fresh = {name: value for name, value in net.state_dict().items() if name.startswith("mid_block.")}
    added = {name: value for name, value in fresh.items() if name not in weights}
    return {name: torch.zeros_like(value) if _last(name) else value for name, value in added.items()}


def _last(name: str) -> bool:
    return ".conv2." in name or ".to_out." in name


def _widened(weight: Tensor, channels: int) -> Tensor:
    missing = channels - weight.shape[1]
    if missing < 0:
        raise PriorError(
            "prior: expected a base that was trained on whole images, found one trained with --ambient; add --ambient",
            code="prior-unsuitable",
        )
    return torch.cat([weight, weight.new_zeros(weight.shape[0], missing, *weight.shape[2:])], dim=1)


def _config(base: Path, part: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(read_document(base / f"{part}.json"))
    return config


def _rank(patient: str) -> str:
    return hashlib.blake2b(patient.encode(), digest_size=8).hexdigest()
