"""Sweep PSLD's guidance weights over held-out images: ``python tests/benchmarks/prior_calibration.py --data POOL``.

Figures, in display units (range 2), over the voxels named:
  observed   root mean square of D(z*) − D(E(x)) on observed pixels: what the measurement term leaves
  seam       mean |step| across the edge of the box, over the same of D(E(x)); 1 is no visible seam
  sharp      root mean square step between free neighbours, over the same of D(E(x)); below 1 is blurred
  change     mean |D(z*) − D(E(x))| on free pixels
  diversity  mean |difference| of two draws on free pixels
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medaug.imaging.boxes import Box
from medaug.imaging.seeds import generator, seed_for
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.embedded import load_trained
from medaug.inverse.priors.folders import EMBEDDED
from medaug.inverse.solvers.psld import psld
from medaug.regions.laws import gaussian_outside
from medaug.training.autoencoder import to_tensor
from medaug.training.data import read_pool
from medaug.training.recipe import read_recipe


def layout(x: torch.Tensor, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(protected, observed, box) of one image: a random box with a margin on its brighter part, dust around it."""
    draw = generator("calibration", index)
    domain = (x.numpy() > -0.85)[None]
    rows, columns = np.nonzero(domain[0])
    at = draw.integers(len(rows))
    high, wide = draw.integers(24, 72, 2)
    top, left = max(0, int(rows[at] - high // 2)), max(0, int(columns[at] - wide // 2))
    box = Box((0, top, left), (1, min(256, top + int(high)), min(256, left + int(wide))), "lesion")
    regions = gaussian_outside(domain, [box], seed_for("calibration", index), sigma=0.32)
    inside = np.zeros_like(domain)
    inside[box.slices] = True
    return tuple(torch.from_numpy(mask.copy()) for mask in (regions.protected, regions.observed, inside))  # type: ignore[return-value]


def steps_where(image: torch.Tensor, where: torch.Tensor, across: bool) -> float:
    """Root mean square step between neighbours that are both ``where``, or (across) mean |step| over its edge."""
    total, count = 0.0, 0
    for axis in (-1, -2):
        step = image.diff(dim=axis)
        low, high = where.narrow(axis, 0, where.shape[axis] - 1), where.narrow(axis, 1, where.shape[axis] - 1)
        chosen = step[low ^ high].abs() if across else step[low & high].square()
        total, count = total + chosen.sum().item(), count + chosen.numel()
    mean = total / count
    return mean if across else mean**0.5


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path("medaug/training/recipes/radiograph-256.yaml"))
    parser.add_argument("--prior", type=Path, default=EMBEDDED)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--start", type=float, default=0.6)
    parser.add_argument("--omega", type=float, nargs="+", default=[0.3, 1.0, 3.0])
    parser.add_argument("--gamma", type=float, nargs="+", default=[0.03, 0.1, 0.3])
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    pool = read_pool(options.data, read_recipe(options.recipe).data)
    held = [i for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith("bone")]
    bones = held[:: len(held) // (options.count - 1)][: options.count - 1]
    held = [*bones, int(np.flatnonzero(pool.held_out)[-1])]  # the last one is a chest
    x = to_tensor(pool.images[held])
    layouts = [layout(image[0], index) for index, image in enumerate(x)]
    protected, observed, inside = (torch.stack(masks) for masks in zip(*layouts, strict=True))
    prior = load_trained(options.prior)
    operator = Inpainting(observed)
    with torch.no_grad():
        z = prior.encode(x)
        again = prior.decode(z)
    rows = [x, torch.where(observed, x, -1.0), again]
    free = ~protected
    print("| omega | gamma | observed | seam | sharp | change | diversity |\n|---|---|---|---|---|---|---|")
    for omega, gamma in product(options.omega, options.gamma):
        solve = partial(psld, prior, operator, operator.forward(x), start=z, steps=options.steps, t0=options.start)
        first, second = (
            solve(omega=omega, gamma=gamma, noise=SampleNoise([seed_for(s, i) for i in range(len(x))])) for s in "ab"
        )
        pasted = torch.where(protected, x, first)
        figures = (
            (first - again)[observed].square().mean().sqrt().item(),
            steps_where(pasted, inside, True) / steps_where(x, inside, True),
            steps_where(first, free, False) / steps_where(again, free, False),
            (first - again)[free].abs().mean().item(),
            (first - second)[free].abs().mean().item(),
        )
        print(f"| {omega:g} | {gamma:g} | " + " | ".join(f"{f:.3f}" for f in figures) + " |", flush=True)
        rows.append(pasted)
    sheet = torch.cat([torch.cat(list(row[:, 0]), dim=-1) for row in rows], dim=-2).clamp(-1, 1)
    Image.fromarray(((sheet + 1) * 127.5).round().byte().numpy()).save(options.sheet)


if __name__ == "__main__":
    main(arguments())
