"""Solvers against an exact posterior: ``python tests/benchmarks/solver_posterior.py [--steps 25 100]``.

The closed-form Gaussian prior of the tests (`tests/support/analytic.py`), a third of the pixels observed, from noise,
several problems of many draws each, less than a minute in all.

  mean     root mean square of (mean of the draws − exact posterior mean) on free pixels, over that of the exact mean
  spread   mean standard deviation of the draws on free pixels, over the exact posterior's; 1 is right, less is too sure
  calls    of denoise per draw
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from tests.benchmarks.solver_candidates import CANDIDATES
from tests.support.analytic import GaussianPrior

TOLD = (
    "The closed-form Gaussian prior of the tests, from pure noise. *Mean*: error of the mean of the draws, over that "
    "of answering zero. *Spread*: of the draws, over the exact posterior's. Written by "
    "`tests/benchmarks/solver_posterior.py`."
)
DRAWS, PROBLEMS = 64, 4
STEEP = {
    "omega": 0.1,
    "gamma": 0.02,
}  # what PSLD's weights are on this prior: see tests/inverse/solvers/test_solvers.py
SOLVERS = {
    "psld": partial(psld, **STEEP),
    "diffstategrad": partial(diffstategrad, **STEEP),
    "ddnm": partial(ddnm, iterations=8, sigma_y=0.02),
    "ddnm, eta 1": partial(ddnm, iterations=8, sigma_y=0.02, eta=1.0),
    "project": project,
    "latino": latino,
    "blend": blend,
    **CANDIDATES,
    "stsl": partial(CANDIDATES["stsl"], omega=STEEP["omega"]),
    "diffpir": partial(CANDIDATES["diffpir"], iterations=8, sigma_y=0.02),
    "diffpir, noise anew 0.3": partial(CANDIDATES["diffpir"], iterations=8, sigma_y=0.02, zeta=0.3),
    "ding": partial(CANDIDATES["ding"], iterations=8, sigma_y=0.02),
    "langevin on ddnm": partial(CANDIDATES["langevin on ddnm"], iterations=8, sigma_y=0.02),
}


def measure(name: str, steps: int) -> dict:
    rows = []
    for seed in range(PROBLEMS):
        prior = GaussianPrior(mixed=name != "blend")
        generator = torch.Generator().manual_seed(seed)
        x = prior.sample(generator)
        observed = torch.rand(1, 1, 8, 8, generator=generator) < 0.35
        operator, free = Inpainting(observed), ~observed[0, 0]
        y = operator.forward(x).expand(DRAWS, -1, -1, -1)
        prior.calls.clear()
        result = SOLVERS[name](Problem(prior, operator, y, SampleNoise(range(DRAWS))), steps=steps, t0=1.0)
        exact = prior.posterior_mean(observed, x)[0, 0]
        error = (result[:, 0].mean(0) - exact)[free].square().mean().sqrt() / exact[free].square().mean().sqrt()
        spread = result[:, 0, free].std(0).mean() / prior.posterior_std(observed)[free].mean()
        rows.append((float(error), float(spread), prior.calls["denoise"]))
    mean, spread, calls = np.mean(rows, axis=0)
    return {"mean": round(float(mean), 3), "spread": round(float(spread), 2), "calls": int(calls)}


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    report = {name: {str(steps): measure(name, steps) for steps in options.steps} for name in (options.rows or SOLVERS)}
    head = " | ".join(f"mean, {n} steps | spread | calls" for n in options.steps)
    lines = [
        "# Solvers against an exact posterior",
        "",
        TOLD,
        "",
        f"| solver | {head} |",
        "|" + "---|" * (1 + 3 * len(options.steps)),
    ]
    for name, row in report.items():
        cells = " | ".join(
            f"{row[str(n)]['mean']} | {row[str(n)]['spread']} | {row[str(n)]['calls']}" for n in options.steps
        )
        lines.append(f"| {name} | {cells} |")
    (options.out / "solver-posterior.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "solver-posterior.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--rows", nargs="*", choices=list(SOLVERS), help="all if left out")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
