"""Does a prior work here: every figure that can be had without knowing its training images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medaug.inverse.noise import SampleNoise
from medaug.inverse.priors.latent_prior import LatentPrior, with_fast_autoencoder

LEAST_PSNR_DB = 25.0  # below it a `replace` restoration is visibly blurred


@dataclass(frozen=True)
class PriorFinding:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it may be used so.
        found: the figure, in words.
    """

    name: str
    ok: bool
    found: str


@torch.no_grad()
def examine(prior: LatentPrior, images: Tensor, seed: int = 0) -> tuple[PriorFinding, ...]:
    """One forward pass at three noise levels, and the round trip of images through the autoencoder.

    Args:
        prior: loaded.
        images: (B, 1, H, W) in [-1, 1], of a size the prior takes.
        seed: of the noise.
    """
    z = prior.encode(images)
    noise = SampleNoise([seed + index for index in range(len(z))], z.device)(tuple(z.shape))
    findings = [_forward(prior, z, noise, level) for level in (0.05, 0.5, 0.95)]
    findings.append(_round_trip("round trip", prior, images))
    if prior.fast is not None:
        findings.append(_round_trip("round trip, small autoencoder", with_fast_autoencoder(prior), images))
    scale = z.std().item()
    return (
        *findings,
        PriorFinding("latent scale", 0.2 < scale < 5, f"standard deviation {scale:.2f}, expected about 1"),
    )


def phantom(side: int) -> Tensor:
    """(1, 1, side, side) in [-1, 1]: a limb of soft tissue with a brighter shaft that has a denser rim, on black."""
    axis = torch.linspace(-1, 1, side)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    across = columns - 0.2 * rows + 0.05 * torch.sin(5 * rows)
    tissue = torch.sigmoid((0.6 - across.abs()) * 30)
    bone = torch.sigmoid((0.25 - across.abs()) * 40)
    rim = torch.exp(-(((across.abs() - 0.22) / 0.04) ** 2))
    return (-0.95 + 0.6 * tissue + 0.5 * bone + 0.3 * rim).clamp(-1, 1)[None, None]


def psnr_db(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, range 2."""
    return 10 * math.log10(4 / max((a - b).square().mean().item(), 1e-12))


def _forward(prior: LatentPrior, z0: Tensor, noise: Tensor, level: float) -> PriorFinding:
    t = int(level * (len(prior.alphas_cumprod) - 1))
    abar = prior.alphas_cumprod[t]
    estimate = prior.denoise(abar.sqrt() * z0 + (1 - abar).sqrt() * noise, torch.full((len(z0),), t, device=z0.device))
    ok = estimate.shape == z0.shape and bool(estimate.isfinite().all())
    error = (estimate - z0).square().mean().sqrt().item() if ok else math.nan
    return PriorFinding(f"forward pass at t = {t}", ok, f"error of the clean latents {error:.3g}")


def _round_trip(name: str, prior: LatentPrior, images: Tensor) -> PriorFinding:
    again = prior.decode(prior.encode(images)).clamp(-1, 1)
    figure = psnr_db(again, images) if again.shape == images.shape else math.nan
    return PriorFinding(name, figure >= LEAST_PSNR_DB, f"{figure:.1f} dB PSNR, at least {LEAST_PSNR_DB:g} expected")
