"""The priors that medaug carries, and any other that medaug trained."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import torch
from torch import nn

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.card import CARD_BYTES, EMBEDDED, PriorCard, read_card
from medaug.inverse.priors.embedded import embedded_with, is_embedded
from medaug.inverse.priors.latent_prior import LatentPrior, Network, frozen
from medaug.inverse.priors.loaders.declared import check_config, check_weights
from medaug.inverse.priors.loaders.layout import TRAINED
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.inverse.priors.networks.unet import schedule, unet
from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import read_plain

FILES = TRAINED
MAX_WEIGHTS = 32 << 30  # bytes of one file


def load_embedded(device: str = "cpu", sha256: str | None = None) -> LatentPrior:
    """Load a prior that medaug carries; see `load_trained`.

    Args:
        device: where the weights go.
        sha256: its digest; None for radiographs'.

    Raises:
        PriorError: a file is missing or was changed.
    """
    return load_trained(EMBEDDED if sha256 is None else embedded_with(sha256), device)


def load_trained(folder: Path, device: str = "cpu") -> LatentPrior:
    """Load a prior that `medaug.training` exported; nothing is parsed before its digest was compared.

    Args:
        folder: holds ``card.json`` and the five files it lists.
        device: where the weights go.

    Raises:
        PriorError: a file is missing, or isn't what the card says.
    """
    card = read_card(folder)
    if not is_embedded(folder):
        _check_declared(folder, card)
    content = {name: _verified(folder / name, card) for name in FILES}
    with torch.random.fork_rng(devices=[]):
        autoencoder = LappedAutoencoder(**json.loads(content["autoencoder.json"]))
    network = unet(json.loads(content["unet.json"]))
    for net, name in ((autoencoder, "autoencoder"), (network, "unet")):
        net.load_state_dict(load_tensors(content[f"{name}.safetensors"]))
        frozen(net, device)
    alphas = schedule(json.loads(content["scheduler.json"]))
    whole = telling_all(network, card.latent_channels)
    return LatentPrior(card, alphas, autoencoder.encode, autoencoder.decode, whole)


def _check_declared(folder: Path, card: PriorCard) -> None:
    """What is small is read first, and says how large the rest may be."""
    small = {name: _verified(folder / name, card, CARD_BYTES) for name in FILES if name.endswith(".json")}
    configs = {name: parse(data) for name, data in small.items()}
    where = f"prior {card.name}"
    for name, config in configs.items():
        if not isinstance(config, dict):
            raise PriorError(
                f"{where}: {name}: expected an object, found {type(config).__name__}; restore it", code="prior-config"
            )
        check_config(config, f"{where}: {name}")
    for name, build in (("autoencoder", lambda given: LappedAutoencoder(**given)), ("unet", unet)):
        files = (folder / f"{name}.safetensors",)
        check_weights(partial(build, configs[f"{name}.json"]), files, f"{where}: {name}.safetensors")


def telling_all(net: nn.Module, latent_channels: int) -> Network:
    """The network on latents alone: one that was trained with parts hidden is told that it sees every cell."""
    if net.config["in_channels"] == latent_channels:  # type: ignore[index]
        return lambda z, t: net(z, t, return_dict=False)[0]
    return lambda z, t: net(torch.cat([z, torch.ones_like(z[:, :1])], dim=1), t, return_dict=False)[0]


def _verified(path: Path, card: PriorCard, most: int = MAX_WEIGHTS) -> bytes:
    expected = card.files.get(path.name, "no digest on the card")
    try:
        content = read_plain(path, most)
    except OSError as error:
        raise PriorError(
            f"prior {card.name}: expected {path.name} with sha256 {expected}, found no readable file; restore it "
            "(the embedded prior: reinstall medaug)",
            code="prior-parts",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise PriorError(
            f"prior {card.name}: {path.name}: expected sha256 {expected}, found {found}; "
            "the file was changed or cut short, restore it (the embedded prior: reinstall medaug)",
            code="prior-digest",
        )
    return content
