"""The first stage on disk: the autoencoder and the latents, so that a run can be interrupted and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.aligned import load_metadata, load_tensors
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.storage.atomic import replacing
from medaug.training.ambient_diffusion import known_cells
from medaug.training.autoencoder import Log, encoded, psnr, to_latents, train_autoencoder
from medaug.training.from_prior import base_autoencoder
from medaug.training.image_pool import Pool
from medaug.training.recipe import TrainingRecipe
from medaug.training.views import altered

AUTOENCODER, LATENTS = "autoencoder.safetensors", "latents.safetensors"


def first_stage(
    recipe: TrainingRecipe, read: Callable[[], Pool], out: Path, log: Log, base: Path | None = None
) -> tuple[LappedAutoencoder, dict[str, Tensor]]:
    """Train the autoencoder and make the latents, or read both where this recipe already made them in ``out``.

    Args:
        recipe: the run's.
        read: gives the images; called where they are needed.
        out: the run's folder.
        log: takes key=value.
        base: folder of a prior whose autoencoder is taken as it is.

    Returns:
        The autoencoder, and ``train`` (N, V, c, h, w) and ``held_out`` (N, 2, c, h, w) float16: an image as it is,
        mirrored, and what further views there are; with ``folder`` (N,), the rank of each
        training image's top folder in the sorted ``shares``: 0 where there are none, −1 (never drawn) outside them;
        where something is hidden, also ``known`` (N, 2, 1, h, w), see `ambient.known_cells`.

    Raises:
        PriorError: ``out`` holds the first stage of another recipe.
    """
    if (out / LATENTS).exists():
        with torch.random.fork_rng(devices=[]):
            net = LappedAutoencoder(recipe.autoencoder.channels, recipe.autoencoder.width)
        net.load_state_dict(read_tensors(out / AUTOENCODER, recipe.first_stage))
        return net, read_tensors(out / LATENTS, recipe.first_stage)
    pool = read()
    net = train_autoencoder(recipe, pool, log) if base is None else base_autoencoder(base)
    if base is not None:
        log(stage="autoencoder", step=0, psnr_db=psnr(net, pool), rounded=True)
    write_tensors(net.state_dict(), out / AUTOENCODER, recipe.first_stage)
    rank = {name: index for index, name in enumerate(sorted(recipe.data.shares))}
    kept = [name for name, held in zip(pool.folders, pool.held_out, strict=True) if not held]
    latents = {
        "train": views_of(recipe, net, pool),
        "held_out": to_latents(net, pool.images[pool.held_out]),
        "folder": torch.tensor([rank.get(name, -1) if rank else 0 for name in kept]),
    }
    if pool.hidden is not None:
        known = known_cells(pool.hidden[~pool.held_out], net.stride)
        latents["known"] = torch.stack([known, known.flip(-1)], dim=1)
    write_tensors(latents, out / LATENTS, recipe.first_stage)
    return net, latents


def views_of(recipe: TrainingRecipe, net: LappedAutoencoder, pool: Pool) -> Tensor:
    """(N, 2 + views, c, h, w) float16: the latents of the training images, mirrored, and as the recipe alters them."""
    images = pool.images[~pool.held_out]
    names = [name for name, held in zip(pool.names, pool.held_out, strict=True) if not held]
    parts = [to_latents(net, images)]
    if plan := recipe.data.augment:
        made = (altered(images, names, recipe.seed, plan, view) for view in range(plan.views))
        parts += [encoded(net, view)[:, None] for view in made]
    return torch.cat(parts, dim=1)


def write_tensors(tensors: Mapping[str, Tensor], path: Path, recipe: str) -> None:
    """Write safetensors under a temporary name, then rename: a reader never sees half a file."""
    with replacing(path) as passing:
        save_file({k: v.detach().contiguous() for k, v in tensors.items()}, passing, metadata={"recipe": recipe})


def read_tensors(path: Path, recipe: str) -> dict[str, Tensor]:
    """Read what `write_tensors` wrote for the same recipe.

    Raises:
        PriorError: the file is missing, or was written under another recipe.
    """
    if not path.exists():
        raise PriorError(
            f"training folder: {path.name} is missing; start again in an empty folder", code="training-folder"
        )
    found = load_metadata(path).get("recipe", "none")
    if found != recipe:
        raise PriorError(
            f"training folder: {path.name} is another recipe's (expected {recipe[:12]}, found {found[:12]}); "
            "start in an empty folder",
            code="training-folder",
        )
    return load_tensors(path)
