"""Train the UNet on the latents: one loop, readable top to bottom.

Batch and noise of a step come from a generator seeded by (seed, step), and a checkpoint holds everything else, so an
interrupted and resumed run equals an uninterrupted one.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from medaug.imaging.seeds import seed_for
from medaug.inverse.priors.embedded import schedule, telling_all
from medaug.inverse.priors.latent import Network
from medaug.training.ambient import ambient_loss, further
from medaug.training.autoencoder import Log
from medaug.training.network import fresh_network
from medaug.training.own import start_network
from medaug.training.recipe import DiffusionRecipe, TrainingRecipe
from medaug.training.stages import read_tensors, write_tensors

CHECKPOINT = "diffusion.safetensors"
LEVELS = (50, 200, 400, 600, 800, 950)  # times at which the held-out loss is reported


def train_diffusion(
    recipe: TrainingRecipe,
    latents: dict[str, Tensor],
    amplitudes: Tensor,
    out: Path,
    log: Log,
    *,
    resume: bool,
    base: Path | None = None,
) -> nn.Module:
    """Train until ``recipe.diffusion.steps`` and return the network with the averaged (EMA) weights.

    Args:
        recipe: what to do.
        latents: of `stages.first_stage`.
        amplitudes: (c,) how strongly each latent channel shows, mean 1.
        out: folder of the checkpoint.
        log: takes key=value.
        resume: go on from the checkpoint in ``out`` where there is one.
        base: folder of the prior whose weights it starts from.
    """
    plan = recipe.diffusion
    net, average = (fresh_network(recipe, latents["train"].shape[-1]) for _ in range(2))
    if base:
        start_network(net, base)
        start_network(average, base)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, betas=(0.9, 0.99), weight_decay=1e-2)
    first = _load(net, average, optimiser, out / CHECKPOINT, recipe) if resume and (out / CHECKPOINT).exists() else 0
    alphas = schedule()
    since = 0.0
    for step in range(first, plan.steps):
        z0, t, noise, masks = batch(recipe, latents, step, len(alphas))
        for group in optimiser.param_groups:
            group["lr"] = rate(plan, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=plan.precision == "bfloat16"):
            loss = (
                ambient_loss(net, z0, t, noise, alphas, amplitudes, *masks)
                if masks
                else v_loss(net, z0, t, noise, alphas, amplitudes)
            )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        _follow(average, net, min(plan.ema, (1 + step) / (10 + step)))
        since += loss.item()
        done = step + 1
        if done % 50 == 0:
            log(stage="diffusion", step=done, loss=since / 50, rate=rate(plan, step))
            since = 0.0
        if done % plan.checkpoint_every == 0 or done == plan.steps:
            _save(net, average, optimiser, done, out / CHECKPOINT, recipe)
        if done % plan.validate_every == 0 or done == plan.steps:
            log(
                stage="validation",
                step=done,
                **validate(
                    telling_all(average, latents["train"].shape[2]),
                    latents["held_out"],
                    alphas,
                    amplitudes,
                    recipe.seed,
                ),
            )
    return average


def rate(plan: DiffusionRecipe, step: int) -> float:
    """The learning rate of a step: up, constant, down to 0 (see `recipe.DiffusionRecipe`)."""
    return plan.rate * min(1.0, (step + 1) / plan.warmup, (plan.steps - step) / plan.decay)


def batch(
    recipe: TrainingRecipe, latents: dict[str, Tensor], step: int, times: int
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    """(z0, t, noise, masks) of a step: folders by their shares, half of the images flipped, times spread evenly.

    The masks say which cells are known and which the network sees; None where nothing is hidden.
    """
    draw = torch.Generator().manual_seed(seed_for(recipe.seed, "diffusion", step))
    size, folder = recipe.diffusion.batch, latents["folder"]
    shares = torch.tensor([share for _, share in sorted(recipe.data.shares.items())] or [1.0])
    counts = torch.bincount(folder[folder >= 0], minlength=len(shares))
    weight = torch.where(folder >= 0, (shares / counts.clamp(min=1))[folder.clamp(min=0)], 0.0)
    index = torch.multinomial(weight, size, replacement=True, generator=draw)
    flip = torch.randint(0, 2, (size,), generator=draw)
    z0 = latents["train"][index, flip].float()
    t = ((torch.arange(size) + torch.rand(size, generator=draw)) / size * times).long().clamp(max=times - 1)
    noise = torch.randn(z0.shape, generator=draw)
    if recipe.ambient is None:
        return z0, t, noise, None
    known = latents["known"][index, flip]
    return z0, t, noise, (known, further(known, recipe.ambient, draw))


def v_loss(net: nn.Module, z0: Tensor, t: Tensor, noise: Tensor, alphas: Tensor, weight: Tensor) -> Tensor:
    """Mean square of the error of v = sqrt(abar) noise − sqrt(1 − abar) z0, channels weighted by ``weight`` (c,).

    Source: Salimans & Ho 2022, arXiv 2202.00512, appendix D.
    """
    a = alphas[t].reshape(-1, 1, 1, 1)
    z_t = a.sqrt() * z0 + (1 - a).sqrt() * noise
    v = a.sqrt() * noise - (1 - a).sqrt() * z0
    output: Tensor = net(z_t, t, return_dict=False)[0]
    return ((output.float() - v).square() * weight[:, None, None]).mean()


@torch.no_grad()
def validate(
    net: Network, held_out: Tensor, alphas: Tensor, amplitudes: Tensor, seed: int, count: int = 64
) -> dict[str, float]:
    """The loss on the same held-out images and noise at each of `LEVELS`, their mean, and their mean in the image.

    The last weights channels by the square of their amplitude: it is what the eye sees of the error.
    """
    every = max(1, len(held_out) // count)
    z0 = held_out[::every, 0][:count].float()
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(seed_for(seed, "validation")))
    chunks = list(zip(torch.split(z0, 16), torch.split(noise, 16), strict=True))
    by_level = []
    for level in LEVELS:
        a = alphas[level]
        squares = []
        for clean, white in chunks:
            output = net(a.sqrt() * clean + (1 - a).sqrt() * white, torch.full((len(clean),), level))
            squares.append((output - a.sqrt() * white + (1 - a).sqrt() * clean).square().mean(dim=(2, 3)))
        by_level.append(torch.cat(squares).mean(dim=0))
    errors = torch.stack(by_level)  # (levels, channels)
    shown = (errors * amplitudes.square()).sum() / amplitudes.square().sum() / len(LEVELS)
    levels = {f"loss_{level}": row.mean().item() for level, row in zip(LEVELS, errors, strict=True)}
    return {"loss": errors.mean().item(), "image_loss": shown.item(), **levels}


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)


def _save(
    net: nn.Module, average: nn.Module, optimiser: torch.optim.AdamW, step: int, path: Path, recipe: TrainingRecipe
) -> None:
    tensors = {"step": torch.tensor(step)}
    for (name, parameter), mean in zip(net.named_parameters(), average.parameters(), strict=True):
        state = optimiser.state[parameter]
        tensors |= {f"net.{name}": parameter, f"average.{name}": mean}
        tensors |= {f"first.{name}": state["exp_avg"], f"second.{name}": state["exp_avg_sq"]}
    write_tensors(tensors, path, recipe.before_decay)


@torch.no_grad()
def _load(net: nn.Module, average: nn.Module, optimiser: torch.optim.AdamW, path: Path, recipe: TrainingRecipe) -> int:
    tensors = read_tensors(path, recipe.before_decay)
    step = int(tensors["step"])
    for (name, parameter), mean in zip(net.named_parameters(), average.parameters(), strict=True):
        parameter.copy_(tensors[f"net.{name}"])
        mean.copy_(tensors[f"average.{name}"])
        optimiser.state[parameter] = {
            "step": torch.tensor(float(step)),
            "exp_avg": tensors[f"first.{name}"].clone(),
            "exp_avg_sq": tensors[f"second.{name}"].clone(),
        }
    return step
