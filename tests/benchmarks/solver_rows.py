"""Rows of a front: one solve of all images with two seeds, closed none, once, twice. Used by the fronts beside it.

A closing comes after the last denoising step, so the rows that differ in it share their solve.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.guided_ddim import Guidance, closed
from medaug.inverse.sampling.schedule import times
from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.latino import latino
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from tests.benchmarks import solver_bench as bench
from tests.benchmarks.measures import between, patches, projected, through_plane
from tests.benchmarks.solver_plot import scatter
from tests.benchmarks.solver_rule import (
    ALONE,
    DRAWS,
    RULE,
    Among,
    Choice,
    drawn,
    faithfulness,
    mean,
    medians,
    standard_error,
)

SEEDS = ("first", "second")
CLOSINGS = (0, 1, 2)
WEIGHTS = {"omega": 0.03, "gamma": 0.01}
SOLVERS = {
    "psld": partial(psld, **WEIGHTS),
    "diffstategrad": partial(diffstategrad, **WEIGHTS),
    "ddnm": ddnm,
    "latino": latino,
    "project": project,
    "blend": blend,
}
BASELINES = ("project", "blend")
KEYS = ("distance", "source", "delivered", "residual", "diversity", "seam", "sharpness", "noise", "mottle")
RATIOS = ("seam", "sharpness", "noise", "mottle", "through_plane")
HEAD = (
    "solver, steps from start", "distance to others", "to the source", "delivered, of upstream's", "delivered",
    "residual", "diversity",
)  # fmt: skip
COSTS = ("denoise / decode / encode", "TFLOP", "CPU s")
TOLD = (
    "Means over images and seeds, of seam, sharpness, noise and mottle medians, since ratios to a source without noise "
    f"have no bound; ± is the standard error of a bootstrap ({DRAWS} draws). *Closed n*: the lever `closing`. Cost is "
    "per image, one thread. Rows in italics aren't in the package."
)

COUNTED: dict[tuple, tuple[float, float]] = {}
Reference = tuple[list, list]  # patches, and their quantiles
Distance = Callable[[bench.Subjects, np.ndarray], list[float]]


class Held:
    """A prior that remembers what it decoded last."""

    def __init__(self, prior) -> None:
        self._prior, self.z = prior, torch.empty(0)

    def __getattr__(self, name: str):
        return getattr(self._prior, name)

    def decode(self, z: Tensor) -> Tensor:
        self.z = z.detach()
        return self._prior.decode(z)


def keep(path: Path, report: dict) -> None:
    """What was measured so far, so that a stopped run goes on."""
    path.write_text(json.dumps(report) + "\n")


def label(name: str, closing: int) -> str:
    return f"{name}, closed {closing}" if closing else name


def measured(
    name: str, run: partial, these: bench.Subjects, distance: Distance, closings: Sequence[int] = CLOSINGS
) -> dict:
    """The rows of one solve: label → cost, and figures by image and seed."""
    own = bench.prior_of(these)
    held = [(prior := Held(own), bench.solve(run, these, seed, prior=prior)) for seed in SEEDS]
    abar = times(own.alphas_cumprod, run.keywords["steps"], run.keywords["t0"])[-1][1]
    found = {}
    for closing in closings:
        done = [_closed(prior.z, solved, these, abar, closing) for prior, solved in held]
        found[label(name, closing)] = {
            "calls": done[0].calls,
            "TFLOP": round(_tera_flop(run, closing, these), 4),
            "cpu_s": round(min(one.cpu_s for one in done), 3),
            "images": _figures(these, done, distance),
        }
    return {"rows": found}


def counted(solver: Callable, closing: int, these: bench.Subjects) -> tuple[float, float]:
    """FLOPs of one image in one step and in two; asked for before rows are measured, all rows of a solver share it."""
    key = solver, closing, these.x.shape[1:], these.prior and these.prior.card.sha256
    if key not in COUNTED:
        guidance = {"guidance": Guidance(closing=closing)} if closing else {}
        COUNTED[key] = bench.flop_of_steps(partial(solver, t0=0.6, **guidance), these)
    return COUNTED[key]


def _tera_flop(run: partial, closing: int, these: bench.Subjects) -> float:
    """Of one image: counted whole for a candidate, whose steps may differ, and by step for a solver of the package."""
    if not run.func.__module__.startswith("medaug."):
        return bench.flop(run, these.one(0)) / 1e12
    first, second = counted(run.func, closing, these)
    return (first + (run.keywords["steps"] - 1) * (second - first)) / 1e12


def _closed(z: Tensor, done: bench.Solved, these: bench.Subjects, abar: float, closing: int) -> bench.Solved:
    if not closing:
        return done

    def run(problem: Problem) -> Tensor:
        with torch.no_grad():
            return problem.prior.decode(closed(problem, z, abar, Guidance(closing=closing)))

    after = bench.solve(run, these, "closing")
    calls = Counter(done.calls) + Counter(after.calls) - Counter(decode=1)  # the solve's own last decode isn't needed
    return bench.Solved(after.solved, done.cpu_s + after.cpu_s, done.wall_s + after.wall_s, dict(calls))


def _figures(these: bench.Subjects, done: Sequence[bench.Solved], distance: Distance) -> dict[str, list]:
    """Key → values by image and seed; diversity, which takes both seeds, has one column."""
    made = [bench.restored(these, one.solved, "delta") for one in done]
    rows = [bench.figures(these, one.solved, "delta") for one in done]
    found = {
        key: [[_short(row[n][key]) for row in rows] for n in range(len(these))] for key in KEYS if key in rows[0][0]
    }
    for key, take in (("distance", distance), ("source", own_distance)):
        found[key] = np.round(np.transpose([take(these, image) for image in made]), 5).tolist()
    found["diversity"] = [[_short(apart)] for apart in bench.diversity(these, *made)]
    if these.neighbours > 1:
        found["through_plane"] = [
            [_short(_through(these, image, n)) for image in made] for n in range(0, len(these), these.neighbours)
        ]
    return found


def _through(these: bench.Subjects, made: np.ndarray, first: int) -> float:
    pair = slice(first, first + 2)
    free = ~these.layouts.protected[pair, 0].numpy()
    return through_plane(list(these.x[pair, 0].numpy()), list(made[pair]), list(free))


def _short(value: float) -> float | None:
    """Four digits; None for no number, which JSON hasn't."""
    return None if math.isnan(value) else float(f"{value:.4g}")


def own_distance(these: bench.Subjects, made: np.ndarray) -> list[float]:
    """Of each image to its own source, in the free region."""
    return distances(these, made, _sources(these))


def distances(these: bench.Subjects, made: np.ndarray, others: Sequence[Reference]) -> list[float]:
    """Of each image's free region to a reference."""
    free = ~these.layouts.protected[:, 0].numpy()
    pairs = zip(made, free, others, strict=True)
    return [
        between(projected(patches([image], [where]), other), quantiles) for image, where, (other, quantiles) in pairs
    ]


def reference(images: Sequence[np.ndarray], where: Sequence[np.ndarray]) -> Reference:
    found = patches(images, where)
    return found, projected(found, found)


@cache
def _sources(these: bench.Subjects) -> list[Reference]:
    free = ~these.layouts.protected[:, 0].numpy()
    return [reference([image], [where]) for image, where in zip(these.x[:, 0].numpy(), free, strict=True)]


def table(
    rows: Mapping[str, Mapping], upstream: list[float], shipped: Callable[[str], bool], among: Among = ALONE
) -> list[str]:
    ratios = [key for key in RATIOS if all(key in row["images"] for row in rows.values())]
    head = (*HEAD, *(key.replace("_", "-") for key in ratios), *COSTS)
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, row in rows.items():
        calls = " / ".join(str(row["calls"].get(kind, 0)) for kind in ("denoise", "decode", "encode"))
        cells = [
            name if shipped(name) else f"*{name}*",
            _told(row, "distance", among),
            f"{mean(row, 'source'):.4f}",
            f"{faithfulness(row, upstream, among):.2f}",
        ]
        cells += [_told(row, "delivered", among), f"{mean(row, 'residual'):.4f}", _told(row, "diversity", among)]
        cells += [_by_series(row, key, among) for key in ratios]
        lines.append("| " + " | ".join([*cells, calls, f"{row['TFLOP']:.4f}", f"{row['cpu_s']:.2f}"]) + " |")
    return [*lines, "", TOLD]


def _told(row: Mapping, key: str, among: Among) -> str:
    return f"{mean(row, key):.4f} ± {standard_error(drawn(row, key, among)):.4f}"


def _by_series(row: Mapping, key: str, among: Among) -> str:
    """The median, or of several series the least and the greatest."""
    found = sorted(f"{value:.2f}" for value in medians(row, key, among).values())
    return found[0] if found[0] == found[-1] else f"{found[0]}–{found[-1]}"


def plot(rows: Mapping[str, Mapping], shipped: Callable[[str], bool]) -> str:
    """The front as a picture: cost across, distance up, diversity as area."""
    points = []
    for name, row in rows.items():
        own, (solver, rest) = shipped(name), name.split(", ", 1)
        text = rest.replace(" from ", " · ").replace(", closed ", " +") if own else name.rsplit(",", 1)[0]
        series = solver if own else "not in the package"
        points.append((series, text, math.log10(row["TFLOP"]), mean(row, "distance"), mean(row, "diversity")))
    return scatter(points, "TFLOP per image", "distance to other images (less is better)", "area of a mark: diversity")


def rule() -> list[str]:
    """The rule, as it stands before a table."""
    return ["## The rule", "", *RULE.splitlines(), ""]


def told(choice: Choice, of: str, total: int) -> list[str]:
    """What the rule chose, and what it left step by step."""
    steps = "; ".join(f"{stage}: {len(left)}" for stage, left in choice.stages)
    last = ", ".join(choice.stages[-1][1])
    return [f"For {of} the rule chooses **{choice.name}**. Rows left of {total}: {steps} ({last}).", ""]
