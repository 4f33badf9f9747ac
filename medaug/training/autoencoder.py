"""Train the lapped autoencoder, then put every image into latents once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from medaug.imaging.seeds import generator, seed_for
from medaug.inverse.aligned import from_array
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.training import lapped
from medaug.training.image_pool import Pool
from medaug.training.recipe import TrainingRecipe

Log = Callable[..., None]


def train_autoencoder(recipe: TrainingRecipe, pool: Pool, log: Log) -> LappedAutoencoder:
    """Train from the patch PCA; the result is rounded to what 16-bit weights can hold, then normalised.

    The rounding comes before the latents are made: the diffusion model then learns the latents of the exported weights.
    """
    plan = recipe.autoencoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "autoencoder"))
        net = LappedAutoencoder(plan.channels, plan.width)
    net.start_from_patches(_patches(recipe, pool, net.stride))
    trained = np.flatnonzero(~pool.held_out)
    log(stage="autoencoder", step=0, psnr_db=psnr(net, pool))
    optimiser = torch.optim.Adam(net.parameters(), lr=plan.rate, betas=(0.9, 0.99))
    for step in range(plan.steps):
        draw = generator(recipe.seed, "autoencoder", step)
        x = to_tensor(pool.images[draw.choice(trained, plan.batch)])
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
        loss = reconstruction_loss(net, x, plan.gradient_weight, plan.cycle_weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if (step + 1) % 400 == 0:
            log(stage="autoencoder", step=step + 1, loss=loss.item(), psnr_db=psnr(net, pool))
    _round_to_half(net)
    _normalise(net, pool.images[trained])
    log(stage="autoencoder", step=plan.steps, psnr_db=psnr(net, pool), rounded=True)
    return net


def reconstruction_loss(net: LappedAutoencoder, x: Tensor, gradient_weight: float, cycle_weight: float) -> Tensor:
    """L1 of the values and of their differences along rows and columns, and of E(D(z)) against z."""
    z = lapped.encode(net, x)
    again = lapped.decode(net, z)
    error = again - x
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + gradient_weight * edges + cycle_weight * (lapped.encode(net, again) - z).abs().mean()


@torch.no_grad()
def psnr(net: LappedAutoencoder, pool: Pool) -> float:
    """Mean over held-out images of the PSNR in dB (range 2) inside the image: padding is easy and doesn't count."""
    figures = []
    for index in np.flatnonzero(pool.held_out):
        x = to_tensor(pool.images[index : index + 1])
        rows, columns = pool.extents[index]
        top, left = (x.shape[-2] - rows) // 2, (x.shape[-1] - columns) // 2
        error = (net.decode(net.encode(x)).clamp(-1, 1) - x)[..., top : top + rows, left : left + columns]
        figures.append(10 * math.log10(4 / max(error.square().mean().item(), 1e-12)))
    return sum(figures) / len(figures)


def to_latents(net: LappedAutoencoder, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """(N, 2, c, h, w) float16: each image as it is, and flipped left to right."""
    return torch.stack([encoded(net, images), encoded(net, images[..., ::-1])], dim=1)


@torch.no_grad()
def encoded(net: LappedAutoencoder, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """(N, c, h, w) float16."""
    chunks = (images[start : start + 64] for start in range(0, len(images), 64))
    return torch.cat([net.encode(to_tensor(chunk)).half() for chunk in chunks])


def to_tensor(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    """(N, H, W) uint8 → (N, 1, H, W) float32 in [-1, 1]."""
    return from_array(np.ascontiguousarray(images)).float().div(127.5).sub(1)[:, None]


def _patches(recipe: TrainingRecipe, pool: Pool, stride: int, count: int = 40_000) -> Tensor:
    draw = generator(recipe.seed, "patches")
    index = draw.choice(np.flatnonzero(~pool.held_out), count)
    top, left = draw.integers(0, pool.images.shape[1] - stride + 1, (2, count))
    offset = np.arange(stride)
    rows, columns = top[:, None, None] + offset[:, None], left[:, None, None] + offset
    return to_tensor(pool.images[index[:, None, None], rows, columns])[:, 0]


@torch.no_grad()
def _round_to_half(net: LappedAutoencoder) -> None:
    for parameter in net.parameters():
        parameter.copy_(parameter.half().float())


@torch.no_grad()
def _normalise(net: LappedAutoencoder, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    count, total, squares = 0, torch.zeros(1), torch.zeros(1)
    for start in range(0, len(images), 64):
        z = net.encode(to_tensor(images[start : start + 64])).double()
        count += z.numel() // z.shape[1]
        total = total + z.sum(dim=(0, 2, 3))
        squares = squares + z.square().sum(dim=(0, 2, 3))
    mean = total / count
    net.mean.copy_(mean.reshape(1, -1, 1, 1))
    net.std.copy_((squares / count - mean.square()).sqrt().reshape(1, -1, 1, 1))
