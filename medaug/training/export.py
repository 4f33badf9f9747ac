"""From a training folder to the folder that `medaug.inverse.priors.loaders.trained` loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, PriorCard, digest_of, read_card
from medaug.inverse.priors.networks.unet import SCHEDULERS
from medaug.storage.plain_files import read_document
from medaug.training.diffusion import CHECKPOINT
from medaug.training.latents import AUTOENCODER, read_tensors
from medaug.training.recipe import TrainingRecipe
from medaug.training.recipe_unet import network_config

STRIDE = 8  # of the autoencoder that `training.autoencoder` makes


def export(recipe: TrainingRecipe, run: Path, folder: Path, psnr_db: float | None) -> PriorCard:
    """Write the averaged weights in 16 bits, their configurations and the card.

    Calibrated guidance that a card in ``folder`` already holds is kept, and what was measured of the same weights.

    Args:
        recipe: the run's.
        run: folder with the run's checkpoint; any checkpoint will do, finished or not.
        folder: where the prior goes.
        psnr_db: the autoencoder's, for the card.

    Raises:
        PriorError: ``run`` holds no checkpoint of this recipe.
    """
    contents = _contents(recipe, run)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    earlier = _earlier(folder)
    scale = 1 / read_tensors(run / AUTOENCODER, recipe.first_stage)["std"].flatten()
    card = PriorCard(
        name=recipe.name,
        sha256=digest_of(files),
        **recipe.card.model_dump(),
        size=recipe.data.size,
        channels=1,
        stride=STRIDE,
        multiple=STRIDE * 2 ** (len(recipe.diffusion.channels) - 1),
        latent_channels=recipe.autoencoder.channels,
        prediction_type=recipe.diffusion.predicts,
        autoencoder_psnr_db=psnr_db,
        weights=earlier.weights if earlier else (),
        files=files,
        recipe=described(recipe),
        latent_scale=tuple(float(f"{value:.4g}") for value in scale.tolist()),
    )
    if earlier and earlier.sha256 == card.sha256:  # the same weights: what was measured still holds
        measured = {key: getattr(earlier, key) for key in ("autoencoder_spectrum", "quality", "copying")}
        card = replace(card, **measured)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**contents, CARD: card.to_json().encode()}.items():
        (folder / name).write_bytes(content)
    return card


def _contents(recipe: TrainingRecipe, run: Path) -> dict[str, bytes]:
    """File name → bytes of everything but the card."""
    autoencoder = read_tensors(run / AUTOENCODER, recipe.first_stage)
    checkpoint = read_tensors(run / CHECKPOINT, recipe.before_decay)
    average = {k.removeprefix("average."): v for k, v in checkpoint.items() if k.startswith("average.")}
    return {
        "autoencoder.json": _json({**recipe.autoencoder.model_dump(include={"channels", "width"}), "stride": STRIDE}),
        "autoencoder.safetensors": save(_half(autoencoder, keep={"mean", "std"})),
        "scheduler.json": _json(SCHEDULERS[recipe.diffusion.predicts]),
        "unet.json": _json(network_config(recipe, recipe.data.size // STRIDE)),
        "unet.safetensors": save(_half(average)),
    }


def logged_psnr(log: Path) -> float | None:
    """The autoencoder's figure from a run's log, rounded to 0.01 dB; None where the log has none."""
    if not log.exists():
        return None
    lines = [json.loads(line) for line in read_document(log).splitlines()]
    figures = [line["psnr_db"] for line in lines if line.get("rounded")]
    return round(figures[-1], 2) if figures else None


def described(recipe: TrainingRecipe) -> str:
    """A recipe in one sentence; the whole of it is its file."""
    plan = recipe.diffusion
    base = f" on prior {recipe.base[:16]}" if recipe.base else ""
    trunk = f" from the network of {recipe.trunk[:16]}" if recipe.trunk else ""
    later = f" (of {plan.later.batch}, {plan.later.precision}, from {plan.later.start} on)" if plan.later else ""
    hidden = ", lesions hidden (ambient)" if recipe.ambient else ""
    flow = ", rectified flow" if plan.predicts == "flow" else ""
    cycles = f" in {len(plan.restarts) + 1} cycles" if plan.restarts else ""
    return (
        f"recipe {recipe.name}{base}{trunk}, seed {recipe.seed}: autoencoder {recipe.autoencoder.steps} steps, network "
        f"{plan.steps} steps{cycles} of {plan.batch} images, {plan.precision}{later}{flow}, averaged weights{hidden}"
    )


def _earlier(folder: Path) -> PriorCard | None:
    try:
        return read_card(folder)
    except PriorError:
        return None


def _half(tensors: dict[str, Tensor], keep: Collection[str] = ()) -> dict[str, Tensor]:
    return {k: v if k in keep else v.to(torch.float16) for k, v in sorted(tensors.items())}


def _json(data: dict[str, object]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()
