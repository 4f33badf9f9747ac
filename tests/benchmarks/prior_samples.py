"""A contact sheet of unconditional draws from a prior: ``python tests/benchmarks/prior_samples.py --out sheet.png``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from medaug.inverse.priors.embedded import load_trained
from medaug.inverse.priors.folders import EMBEDDED
from medaug.inverse.unconditional import draw


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
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--eta", type=float, default=1.0)
    parser.add_argument("--attention-guidance", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    count = options.rows * options.columns
    prior = load_trained(options.prior, attention_guidance=options.attention_guidance)
    seeds = list(range(options.seed, options.seed + count))
    parts = [draw(prior, seeds[n : n + 6], options.steps, eta=options.eta) for n in range(0, count, 6)]
    images = torch.cat(parts)
    sheet(images, options.columns).save(options.out)
