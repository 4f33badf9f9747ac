"""The front of quality and cost: ``python tests/benchmarks/solver_front.py --data POOL [--count 6] [--jobs 2]``.

Solvers × steps × start on held-out bones and chests (`solver_bench` says what each column is), restored as the shipped
profiles do (`delta`, 6 px), two seeds each; one batch of all images. Then the candidates that aren't in the package, at
25 steps from 0.6. Rows that stand in the JSON already are kept, so that a stopped run goes on; ``--fresh`` starts anew.

Writes solver-front.json, solver-front.md and solver-front.svg into --out (docs/explanation), and prints what the rule
chooses (`chosen`).
"""

from __future__ import annotations

import argparse
import json
import math
from functools import partial
from pathlib import Path

import numpy as np

from medaug.inverse.solvers.blend import blend
from medaug.inverse.solvers.ddnm import ddnm
from medaug.inverse.solvers.diffstategrad import diffstategrad
from medaug.inverse.solvers.project import project
from medaug.inverse.solvers.psld import psld
from tests.benchmarks import solver_bench as bench
from tests.benchmarks.solver_candidates import CANDIDATES
from tests.benchmarks.solver_plot import scatter

WEIGHTS = {"omega": 0.03, "gamma": 0.01}
SOLVERS = {
    "psld": partial(psld, **WEIGHTS),
    "diffstategrad": partial(diffstategrad, **WEIGHTS),
    "ddnm": ddnm,
    "project": project,
    "blend": blend,
}
STEPS, STARTS = (6, 12, 25), (0.4, 0.5, 0.6, 0.8)
BASELINES = {"project", "blend"}  # from 0.6 only
SHIPPED = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
           for name, run in SOLVERS.items() for t0 in STARTS for n in STEPS
           if t0 == 0.6 or name not in BASELINES}  # fmt: skip
TRIED = {f"{name}, 25 from 0.6": partial(run, steps=25, t0=0.6) for name, run in CANDIDATES.items()}
RUNS = SHIPPED | TRIED

REFERENCE = {"bone": "psld, 25 from 0.6", "chest": "psld, 25 from 0.5"}  # what the profiles had before the front
DIVERSE = 0.9  # of the reference's diversity: a default isn't to buy a small distance by changing little
SEAM = 1.1  # the most that the median of the worst tiles may be
ROUGH = 1.1  # how much worse than the reference's residual, sharpness and noise may be, as a factor
TIE = 1.03  # distances within 3 % of the least are no difference: the cheaper one wins
SUBJECTS: list[bench.Subjects] = []


def chosen(report: dict, kind: str) -> str:
    """The rule for a profile's solver, steps and start, on the images of its kind (``bone`` or ``chest``).

    Among the shipped solvers' rows whose diversity is at least `DIVERSE` of the reference's, whose seam is within
    `SEAM`, and whose residual, sharpness and noise are at most `ROUGH` times worse than the reference's: the least
    distance; among those within `TIE` of it, the fewest FLOPs.
    """
    rows = {name: row[kind] | {"TFLOP": row["TFLOP"]} for name, row in report["rows"].items() if name in SHIPPED}
    reference = rows[REFERENCE[kind]]
    fine = {
        name: row
        for name, row in rows.items()
        if row["diversity"][1] >= DIVERSE * reference["diversity"][1]
        and row["seam"][1] <= SEAM
        and row["residual"][1] <= ROUGH * reference["residual"][1]
        and all(_off(row[key][1]) <= _off(reference[key][1]) + math.log(ROUGH) for key in ("sharpness", "noise"))
    }
    least = min(row["pooled"] for row in fine.values())
    tied = {name: row for name, row in fine.items() if row["pooled"] <= TIE * least}
    return min(tied, key=lambda name: tied[name]["TFLOP"])


def _off(ratio: float) -> float:
    return abs(math.log(ratio))


def measure(name: str) -> dict:
    these, run = SUBJECTS[0], RUNS[name]
    first, second = (bench.solve(run, these, seed) for seed in ("first", "second"))
    made = [bench.restored(these, one.solved, "delta") for one in (first, second)]
    rows = bench.figures(these, first.solved, "delta")
    for row, apart in zip(rows, bench.diversity(these, *made), strict=True):
        row["diversity"] = apart
    bones = len(these) - len(these) // 3
    parts = {"bone": range(bones), "chest": range(bones, len(these))}
    found: dict = {
        "calls": first.calls,
        "TFLOP": round(bench.tera_flop(run, these), 4),
        "cpu_s": round(min(first.cpu_s, second.cpu_s), 3),
        "all": {key: bench.spread(row[key] for row in rows) for key in rows[0]},
    }
    for part, numbers in parts.items():
        found[part] = {key: bench.spread(rows[n][key] for n in numbers) for key in rows[0]}
        pooled = [bench.pooled_distance(_subset(these, numbers), image[list(numbers)]) for image in made]
        found[part]["pooled"] = round(float(np.mean(pooled)), 4)
    shares = {part: len(numbers) / len(these) for part, numbers in parts.items()}
    found["all"]["pooled"] = round(sum(share * found[part]["pooled"] for part, share in shares.items()), 4)
    return found


def _subset(these: bench.Subjects, numbers: range) -> bench.Subjects:
    rows = slice(numbers.start, numbers.stop)
    layouts = type(these.layouts)(*(getattr(these.layouts, part)[rows] for part in ("protected", "observed", "inside")))
    return bench.Subjects(these.x[rows], layouts)


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-front.json"
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {"rows": {}}
    SUBJECTS.append(bench.subjects(options.data, options.count))
    if report.get("images") not in {None, len(SUBJECTS[0])}:
        report = {"rows": {}}
    report |= {"images": len(SUBJECTS[0]), "seeds": 2, "threads": 1}
    wanted = [name for name in options.rows or RUNS if name not in report["rows"]]
    for name, row in bench.rows(measure, wanted, options.jobs):
        report["rows"][name] = row
        print(name, row["cpu_s"], row["all"]["pooled"], row["all"]["diversity"][1], flush=True)
        path.write_text(json.dumps(report, indent=1) + "\n")
    report["rows"] = {name: report["rows"][name] for name in RUNS if name in report["rows"]}
    if set(SHIPPED) <= set(report["rows"]):
        report["chosen"] = {kind: chosen(report, kind) for kind in ("bone", "chest")}
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(report))
    path.with_suffix(".svg").write_text(plot(report))
    print(path.with_suffix(".md").read_text())


def table(report: dict) -> str:
    head = (
        "distance | sharpness | noise | seam | residual | diversity | denoise / decode / encode | TFLOP | CPU s | MiB"
    )
    lines = [
        "# The front of quality and cost",
        "",
        (
            f"{report['images']} held-out radiographs, {report['seeds']} seeds, one batch, one thread; medians, and "
            "the mean of the distances of bones and chests. Written by `tests/benchmarks/solver_front.py`."
        ),
        "",
        f"| solver, steps from start | {head} |",
        "|" + "---|" * 11,
    ]
    for name, row in report["rows"].items():
        parts = row["all"]
        calls = " / ".join(str(row["calls"].get(kind, 0)) for kind in ("denoise", "decode", "encode"))
        quality = [f"{parts['pooled']:.4f}", *(f"{parts[key][1]:.2f}" for key in ("sharpness", "noise", "seam"))]
        quality += [f"{parts['residual'][1]:.3f}", f"{parts['diversity'][1]:.3f}"]
        cost = [calls, f"{row['TFLOP']:.4f}", f"{row['cpu_s']:.2f}", f"{row['peak_mib']}"]
        kept = name if name in SHIPPED else f"*{name}*"
        lines.append(f"| {kept} | " + " | ".join(quality + cost) + " |")
    for kind, name in report.get("chosen", {}).items():
        lines += ["", f"The rule chooses for {kind}s: **{name}**."]
    return "\n".join(lines) + "\n"


def plot(report: dict) -> str:
    points = []
    for name, row in report["rows"].items():
        solver = name.split(",")[0] if name in SHIPPED else "not in the package"
        label = name.split(", ", 1)[1].replace(" from ", " · ") if name in SHIPPED else name.rsplit(",", 1)[0]
        points.append((solver, label, math.log10(row["TFLOP"]), row["all"]["pooled"], row["all"]["diversity"][1]))
    return scatter(points, "TFLOP per image", "distance (less is better)", "area of a mark: diversity")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rows", nargs="*", choices=list(RUNS), help="all if left out")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/explanation"))
    main(parser.parse_args())
