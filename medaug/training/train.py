"""Train a prior from a recipe and a folder of images."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.training.diffusion import train_diffusion
from medaug.training.export import export, logged_psnr
from medaug.training.from_prior import start_network
from medaug.training.image_pool import Pool, read_pool
from medaug.training.latents import first_stage
from medaug.training.recipe import TrainingRecipe, read_recipe
from medaug.training.trunk import named_prior, start_trunk

LOG, PRIOR = "log.jsonl", "prior"


def train(
    recipe_path: Path,
    data_root: Path,
    out: Path,
    resume: bool = True,
    *,
    base: Path | None = None,
    trunk: Path | None = None,
) -> None:
    """Run a recipe from the images to a prior's folder, ``out/prior``; call it again to go on after an interruption.

    Args:
        recipe_path: YAML, see `recipe.TrainingRecipe`.
        data_root: folder of JPEG or PNG images, grey, bright is high.
        out: folder for the stages, the checkpoint, ``log.jsonl`` and ``prior``; outside any repository.
        resume: go on from the checkpoint in ``out`` where there is one; else train the diffusion model anew.
        base: folder of the prior whose autoencoder and network it starts from, where the recipe names one.
        trunk: folder of the prior whose network it starts from, where the recipe names one.

    Raises:
        ProfileError: the recipe is malformed.
        PriorError: the data, ``out`` or ``base`` don't fit the recipe.
    """
    recipe = read_recipe(recipe_path)
    if base or recipe.base:
        base = named_prior(recipe, "base", base)
    train_on(recipe, lambda: read_pool(data_root, recipe.data), out, base=base, trunk=trunk, resume=resume)


def train_on(
    recipe: TrainingRecipe,
    read: Callable[[], Pool],
    out: Path,
    *,
    base: Path | None = None,
    trunk: Path | None = None,
    resume: bool = True,
) -> PriorCard:
    """`train` with the recipe and the images as values.

    Args:
        recipe: with the digest of ``base`` in it, where there is one (`own.started_from`).
        read: gives the images; not called when their latents are already in ``out``.
        out: folder for the stages, the checkpoint, ``log.jsonl`` and ``prior``.
        base: folder of the prior to start from.
        trunk: folder of the prior whose network it starts from; its latents may be others (`trunk.start_trunk`).
        resume: go on from the checkpoint in ``out`` where there is one.

    Raises:
        PriorError: the data or ``out`` don't fit the recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    log = log_to(out / LOG)
    autoencoder, latents = first_stage(recipe, read, out, log, base)
    start = _start(recipe, autoencoder, latents, base, trunk)
    train_diffusion(recipe, latents, autoencoder.amplitudes(), out, log, resume=resume, start=start)
    return export(recipe, out, out / PRIOR, logged_psnr(out / LOG))


def _start(
    recipe: TrainingRecipe,
    autoencoder: LappedAutoencoder,
    latents: dict[str, Tensor],
    base: Path | None,
    trunk: Path | None,
) -> Callable[[nn.Module], None] | None:
    if base:
        return partial(start_network, base=base)
    if recipe.trunk is None:
        return None
    return partial(
        start_trunk, trunk=named_prior(recipe, "trunk", trunk), autoencoder=autoencoder, latents=latents["train"]
    )


def log_to(path: Path) -> Callable[..., None]:
    """A log of JSON lines, each with the seconds since now."""
    began = time.monotonic()

    def log(**figures: object) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**figures, "seconds": round(time.monotonic() - began, 1)}) + "\n")

    return log
