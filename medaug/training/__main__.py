"""``python -m medaug.training``: train and export a prior without the rest of medaug."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from medaug.training.export import export, logged_psnr
from medaug.training.image_pool import read_pool
from medaug.training.next_cycle import begin_last_cycle
from medaug.training.recipe import read_recipe
from medaug.training.train import LOG, train

parser = argparse.ArgumentParser(prog="python -m medaug.training", description=__doc__)
parser.add_argument("--recipe", type=Path, required=True)
parser.add_argument("--data", type=Path, help="folder of images; without it nothing is trained")
parser.add_argument("--out", type=Path, required=True, help="folder of the run")
parser.add_argument("--export", type=Path, help="where the prior goes, from the newest checkpoint")
parser.add_argument("--base", type=Path, help="folder of the prior that the recipe's base names")
parser.add_argument("--trunk", type=Path, help="folder of the prior that the recipe's trunk names")
parser.add_argument("--shipped", type=Path, help="prior that the cycles before the last gave")
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
torch.set_num_threads(options.threads)
if options.shipped and not options.data:
    parser.error("--shipped needs --data, for the latents")
if options.shipped:
    asked = read_recipe(options.recipe)
    begin_last_cycle(asked, lambda: read_pool(options.data, asked.data), options.out, options.shipped)
if options.data:
    train(options.recipe, options.data, options.out, base=options.base, trunk=options.trunk)
if options.export:
    export(read_recipe(options.recipe), options.out, options.export, logged_psnr(options.out / LOG))
