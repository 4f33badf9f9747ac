"""Sweep PSLD's guidance weights over held-out images: ``python tests/benchmarks/prior_calibration.py --data POOL``.

The figures are those of `medaug.training.calibration.WeightFigures`, as in `medaug prior calibrate`; here with a
second draw for the diversity, and a sheet to look at.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medaug.inverse.priors.card import EMBEDDED, SolverWeights
from medaug.inverse.priors.loaders.trained import load_trained
from medaug.training.autoencoder import to_tensor
from medaug.training.calibration import lay_out, measure
from medaug.training.image_pool import read_pool
from medaug.training.recipe import read_recipe


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
    layouts, prior = lay_out(x), load_trained(options.prior)
    with torch.no_grad():
        again = prior.decode(prior.encode(x))
    rows = [x, torch.where(layouts.observed, x, -1.0), again]
    print("| omega | gamma | observed | seam | sharp | change | diversity |\n|---|---|---|---|---|---|---|")
    for omega, gamma in product(options.omega, options.gamma):
        weights = SolverWeights("psld", options.steps, options.start, omega, gamma)
        figures, pasted = measure(prior, x, layouts, weights)
        told = (f"{value:g}" if place < 2 else f"{value:.3f}" for place, value in enumerate(astuple(figures)))
        print("| " + " | ".join(told) + " |", flush=True)
        rows.append(pasted)
    sheet = torch.cat([torch.cat(list(row[:, 0]), dim=-1) for row in rows], dim=-2).clamp(-1, 1)
    Image.fromarray(((sheet + 1) * 127.5).round().byte().numpy()).save(options.sheet)


if __name__ == "__main__":
    main(arguments())
