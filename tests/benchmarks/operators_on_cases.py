"""The operators on real radiographs: ``python tests/benchmarks/operators_on_cases.py --data POOL [--count 3]``.

Held-out radiographs of limbs with a drawn box each, through `medaug.augment` with degraded-xray as it is shipped, and
with its operator exchanged for each of the others. Beside each, the same solve that is shown the boxes alone (*blind*).

  seen       root mean square of B(variant) − B(source) on the prior's grid, display units (range 2): what the variant
             leaves unexplained of what was seen; and the same of the blind solve
  kept       protected voxels that hold another stored number (0, or it is a bug)
  passed     variants that the gate lets through

Writes operators.json and operators.md into --out (docs/measurements), and with --picture a picture of each operator on
an image that the prior drew itself: source, what is seen beside the box, variant.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import medaug
from medaug.assemble import tools
from medaug.augmentation.augment import bring_back, present, solve
from medaug.augmentation.tools import Tools
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.psld import psld
from medaug.quality.figures import Pair, noise, protected_identity, seam, sharpness
from medaug.training.image_pool import read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks import solver_bench as bench
from tests.benchmarks.prior_controls import _box, _cropped
from tests.benchmarks.solver_bench import RECIPE, WINDOW

OPERATORS = (
    {"kind": "gaussian-blur", "sigma": 2},
    {"kind": "motion-blur", "length": 9, "angle": 30},
    {"kind": "down-sampling", "factor": 4},
    {"kind": "jpeg", "quality": 10},
)
TOLD = (
    "held-out radiographs of limbs through degraded-xray with each operator; medians (quartiles). Written by "
    "`tests/benchmarks/operators_on_cases.py`."
)
BLIND = {"kind": "none"}


def with_operator(operator: dict) -> medaug.Profile:
    shipped = medaug.load_profile("degraded-xray").model_dump(mode="json")
    return medaug.Profile.model_validate(shipped | {"operator": operator})


def variant(volume, box: medaug.Box, profile: medaug.Profile, built: Tools):
    case = medaug.Case(volume, (box,))
    seen = present(case, medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1), built)
    solution = solve(seen, built)
    return solution, bring_back(seen, solution, built)


def figures(volume, box, operator: dict) -> dict:
    profile, blind = with_operator(operator), with_operator(BLIND)
    built, unseeing = tools(profile, "cpu"), tools(blind, "cpu")
    solution, made = variant(volume, box, profile, built)
    other, _ = variant(volume, box, blind, unseeing)
    assert built.solve.degraded is not None

    def missed(solved: np.ndarray) -> float:
        difference = torch.from_numpy(solved - solution.presented)[:, None]
        return float(built.solve.degraded.forward(difference).square().mean().sqrt())

    pair = Pair(volume, made.volume, made.regions.protected, WINDOW)
    return {
        "seen": missed(solution.solved),
        "blind": missed(other.solved),
        "kept": protected_identity(pair),
        "passed": float(all(check.passed for check in made.checks)),
        **{take.__name__: take(pair) for take in (sharpness, noise, seam)},
    }


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    pool = read_pool(options.data, read_recipe(RECIPE).data)
    held = [int(i) for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith("bone")]
    volumes = [medaug.from_array(_cropped(pool, i), window=WINDOW) for i in held[3 :: len(held) // options.count]]
    volumes = volumes[: options.count]
    report: dict = {"images": len(volumes), "operators": {}}
    for operator in OPERATORS:
        rows = [figures(volume, _box(volume, n), operator) for n, volume in enumerate(volumes)]
        name = " ".join(f"{value}" for value in operator.values())
        report["operators"][name] = {key: bench.spread(row[key] for row in rows) for key in rows[0]}
        print(name, json.dumps(report["operators"][name]), flush=True)
    (options.out / "operators.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "operators.md").write_text(table(report))
    print(table(report))
    if options.picture:
        picture().save(options.picture)


def table(report: dict) -> str:
    lines = [
        "# Operators on real radiographs",
        "",
        f"{report['images']} {TOLD}",
        "",
        "| operator | misfit of what was seen | of a blind solve | sharpness | noise | seam | protected, changed |",
        "|" + "---|" * 7,
    ]
    for name, row in report["operators"].items():
        ratios = " | ".join(f"{row[key][1]:.2f}" for key in ("sharpness", "noise", "seam"))
        told = f"{bench.told(row['seen'])} | {bench.told(row['blind'])} | {ratios} | {row['kept'][2]:.0f}"
        lines.append(f"| {name} | {told} |")
    return "\n".join(lines) + "\n"


def picture() -> Image.Image:
    """A sample of the prior as source, nobody's image; each row an operator."""
    own = bench.embedded()
    nothing = Inpainting(torch.zeros(1, 1, 256, 256, dtype=torch.bool))
    unguided = Problem(own, nothing, torch.zeros(1, 1, 256, 256), SampleNoise([11]))
    image = psld(unguided, steps=60, t0=1.0, omega=0.0, gamma=0.0)[0, 0].clamp(-1, 1).numpy()
    volume = medaug.from_array(((image + 1) * 127.5).round().astype(np.uint8), window=WINDOW)
    box, lines = _box(volume, 0), []
    for operator in OPERATORS:
        profile = with_operator(operator)
        built = tools(profile, "cpu")
        solution, made = variant(volume, box, profile, built)
        assert built.solve.degraded is not None
        seen = built.solve.degraded.forward(torch.from_numpy(solution.presented.copy())[:, None])[:, 0].numpy()[0]
        seen = np.kron(seen, np.ones((256 // seen.shape[0],) * 2))
        outline = np.zeros((256, 256), dtype=bool)
        outline[box.slices[1:]] = True
        inner = np.zeros_like(outline)
        inner[box.start[1] + 1 : box.stop[1] - 1, box.start[2] + 1 : box.stop[2] - 1] = True
        shown = [volume.stored[0] / 127.5 - 1, seen, made.volume.stored[0] / 127.5 - 1]
        lines.append(np.hstack([np.where(outline & ~inner, 1.0, part) for part in shown]))
    return Image.fromarray(((np.vstack(lines).clip(-1, 1) + 1) * 127.5).round().astype(np.uint8))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
