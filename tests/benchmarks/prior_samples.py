"""A contact sheet of unconditional draws from a prior: ``python tests/benchmarks/prior_samples.py --out sheet.png``.

With ``--numbers`` each draw has its seed on it, to pick those of examples/samples.py from.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from examples.unconditional import draw, with_attention_guidance
from medaug.inverse.priors.card import EMBEDDED

BATCH = 16  # draws at once: memory


def sheet(images: torch.Tensor, columns: int) -> Image.Image:
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    rows = [torch.cat(list(row), dim=-1) for row in pixels[:, 0].split(columns)]
    return Image.fromarray(torch.cat(rows, dim=-2).numpy())


def numbered(image: Image.Image, columns: int, seeds: list[int]) -> Image.Image:
    """Write each seed into the upper left corner of its tile."""
    pen, side = ImageDraw.Draw(image), image.width // columns
    for number, seed in enumerate(seeds):
        corner = (number % columns * side + 4, number // columns * side + 4)
        pen.text(corner, str(seed), fill=255, font_size=20, stroke_width=2, stroke_fill=0)
    return image


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
    parser.add_argument("--numbers", action="store_true", help="write the seeds on the draws")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prior = with_attention_guidance(options.prior, options.attention_guidance)
    ways: Any = {"steps": options.steps, "eta": options.eta}
    seeds = list(range(options.seed, options.seed + options.rows * options.columns))
    parts = [seeds[n : n + BATCH] for n in range(0, len(seeds), BATCH)]
    made = sheet(torch.cat([draw(prior, part, **ways) for part in parts]), options.columns)
    (numbered(made, options.columns, seeds) if options.numbers else made).save(options.out)
