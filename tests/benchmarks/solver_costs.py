"""What a solve costs and what it gives: ``python tests/benchmarks/solver_costs.py --data POOL --out costs.json``.

Held-out images at 256 px, a drawn box each, the paper's mask law, one process, one thread. Every row has the same
prior, images and observed pixels. `upstream` is the public code's arithmetic (`upstream.py`).

  calls      of denoise, decode and encode, per image
  TFLOP      multiplications and additions, forward and backward, per image (torch.utils.flop_counter)
  wall, cpu  seconds per image, each image alone; median and quartiles. Where others use the machine, look at cpu
  peak       MiB that the process grew by at most, over its size with the prior loaded; run a row
             alone for its own, since a peak never falls
  distance   sliced Wasserstein of the free regions to the sources' there, of the image as solved; less is better
  seam       worst tile over the source's, protected pixels pasted, no feather; median and quartiles
  residual   root mean square of D(z*) − x on observed pixels, range 2
  protected  the same on protected pixels as the solver leaves them. In medaug's output it is 0: they are the source's
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import medaug
from medaug.imaging.seeds import seed_for
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.embedded import load_embedded
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from medaug.quality.figures import Pair, seam
from medaug.training.data import read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks.measures import patches, sliced_wasserstein
from tests.benchmarks.prior_calibration import layout
from tests.benchmarks.prior_controls import RECIPE, WINDOW
from tests.benchmarks.solver_candidates import CANDIDATES
from tests.benchmarks.upstream import upstream

SHORT = {"steps": 25, "t0": 0.6}
ROWS: dict[str, tuple[Callable, float]] = {  # solver, measurement noise
    "upstream 1000": (partial(upstream, steps=1000), 0.05),
    "psld paper 1000": (partial(psld, steps=1000, t0=1.0, omega=1.0, gamma=0.2), 0.05),
    "psld 25": (partial(psld, **SHORT, omega=0.03, gamma=0.01), 0.0),
    "psld 12": (partial(psld, steps=12, t0=0.6, omega=0.03, gamma=0.01), 0.0),
    "ddnm 25": (partial(ddnm, **SHORT), 0.0),
    "ddnm 12": (partial(ddnm, steps=12, t0=0.6), 0.0),
    "ddnm 8": (partial(ddnm, steps=8, t0=0.6), 0.0),
    "project 25": (partial(project, **SHORT), 0.0),
    "blend 25": (partial(blend, **SHORT), 0.0),
    **{f"{name} 25": (partial(solve, **SHORT), 0.0) for name, solve in CANDIDATES.items()},
}


class Counted:
    """A prior that counts its calls."""

    def __init__(self, prior) -> None:
        self._prior, self.calls = prior, Counter()

    def __getattr__(self, name: str):
        found = getattr(self._prior, name)
        if name not in {"encode", "decode", "denoise"}:
            return found

        def counted(*given):
            self.calls[name] += 1
            return found(*given)

        return counted


class _NoModules:
    """Totals alone: FLOPs aren't told apart by module."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    pool = read_pool(options.data, read_recipe(RECIPE).data)
    held = [int(i) for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith("bone")]
    chosen = held[:: len(held) // options.count][: options.count]
    images = [torch.from_numpy(pool.images[i].astype(np.float32) / 127.5 - 1) for i in chosen]
    layouts = [tuple(mask[0] for mask in layout(x, n)[:2]) for n, x in enumerate(images)]
    prior, report = Counted(load_embedded()), {"images": len(images), "threads": 1, "rows": {}}
    before = _peak()
    for name in options.rows or ROWS:
        solve, noise = ROWS[name]
        outcome = [
            _solve(prior, solve, noise, x, *masks, n) for n, (x, masks) in enumerate(zip(images, layouts, strict=True))
        ]
        report["rows"][name] = _figures(outcome, images, layouts) | {"peak": round(_peak() - before)}
        print(name, json.dumps(report["rows"][name]), flush=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
        options.out.with_suffix(".md").write_text(_table(report))


def _solve(prior: Counted, solve: Callable, noise: float, x: torch.Tensor, protected, observed, number: int) -> dict:  # noqa: ARG001
    operator, x = Inpainting(observed[None, None]), x[None, None]
    y = operator.forward(x + noise * SampleNoise([seed_for("y", number)])(tuple(x.shape)))
    with torch.no_grad():
        start = prior.encode(x)
    draw = partial(SampleNoise, [seed_for("costs", number)])
    prior.calls.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    result = solve(prior, operator, y, noise=draw(), start=start)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    calls = dict(prior.calls)
    found = {"x": result[0, 0].numpy(), "wall": wall, "cpu": cpu, "calls": calls}
    if number == 0:
        options = dict(solve.keywords)
        few = min(options["steps"], 20)  # every step costs the same; a thousand need not be counted
        counter = FlopCounterMode(display=False)
        counter.mod_tracker = _NoModules()  # its hooks on leaves refuse torch.autograd.grad
        with counter:
            partial(solve.func, **(options | {"steps": few}))(prior, operator, y, noise=draw(), start=start)
        found["TFLOP"] = counter.get_total_flops() / 1e12 * options["steps"] / few
    return found


def _figures(outcome: list[dict], images: list, layouts: list) -> dict:
    solved = [np.clip(o["x"], -1, 1) for o in outcome]
    free = [~protected.numpy() for protected, _ in layouts]
    own = patches([x.numpy() for x in images], free)
    residuals, kept, seams = [], [], []
    for o, x, (protected, observed), made in zip(outcome, images, layouts, solved, strict=True):
        difference = o["x"] - x.numpy()
        residuals.append(float(np.sqrt(np.mean(difference[observed.numpy()] ** 2))))
        kept.append(float(np.sqrt(np.mean(difference[protected.numpy()] ** 2))))
        source = medaug.from_array(((x.numpy() + 1) * 127.5).round().astype(np.uint8), window=WINDOW)
        pasted = source.with_modality(((made + 1) * 127.5)[None].astype(np.float32), ~protected.numpy()[None])
        seams.append(seam(Pair(source, pasted, protected.numpy()[None], WINDOW)))
    return {
        "calls": outcome[0]["calls"],
        "TFLOP": round(outcome[0]["TFLOP"], 3),
        "wall": _spread([o["wall"] for o in outcome]),
        "cpu": _spread([o["cpu"] for o in outcome]),
        "distance": round(sliced_wasserstein(patches(solved, free), own), 4),
        "seam": _spread(seams),
        "residual": _spread(residuals),
        "protected": _spread(kept),
    }


def _spread(values: list[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [round(float(v), 3) for v in np.percentile(values, [25, 50, 75])]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _table(report: dict) -> str:
    lines = [
        "| solver | denoise / decode / encode | TFLOP | cpu s | distance | seam | residual | protected |",
        "|" + "---|" * 8,
    ]
    for name, row in report["rows"].items():
        calls = " / ".join(str(row["calls"].get(kind, 0)) for kind in ("denoise", "decode", "encode"))
        spreads = (f"{row[k][1]:g} ({row[k][0]:g}–{row[k][2]:g})" for k in ("cpu", "seam", "residual", "protected"))
        cpu, *others = spreads
        lines.append(
            f"| {name} | {calls} | {row['TFLOP']:g} | {cpu} | {row['distance']:g} | " + " | ".join(others) + " |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--rows", nargs="*", choices=list(ROWS), help="all if left out")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
