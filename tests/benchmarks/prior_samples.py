"""A contact sheet of unconditional draws from a prior: ``python tests/benchmarks/prior_samples.py --out sheet.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from medaug.inverse.priors.embedded import load_trained
from medaug.inverse.priors.folders import EMBEDDED
from medaug.inverse.priors.latent import LatentPrior


@torch.no_grad()
def draw(prior: LatentPrior, count: int, steps: int, seed: int) -> torch.Tensor:
    """DDIM without added noise from pure noise (arXiv 2010.02502, eq. 12)."""
    side = prior.card.size // prior.card.stride
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn((count, prior.card.latent_channels, side, side), generator=generator)
    times = torch.linspace(len(prior.alphas_cumprod) - 1, 0, steps).long()
    for index, t in enumerate(times):
        z0 = prior.denoise(z, t.expand(count))
        here = prior.alphas_cumprod[t]
        there = prior.alphas_cumprod[times[index + 1]] if index + 1 < steps else torch.ones(())
        z = there.sqrt() * z0 + ((1 - there) / (1 - here)).sqrt() * (z - here.sqrt() * z0)
    return prior.decode(z)


def sheet(images: torch.Tensor, columns: int) -> Image.Image:
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    rows = [torch.cat(list(row), dim=-1) for row in pixels[:, 0].split(columns)]
    return Image.fromarray(torch.cat(rows, dim=-2).numpy())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prior", type=Path, default=EMBEDDED)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = draw(load_trained(options.prior), options.rows * options.columns, options.steps, options.seed)
    sheet(images, options.columns).save(options.out)
