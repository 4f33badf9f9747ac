"""The front through a blur: ``python tests/benchmarks/solver_front_degraded.py --data POOL [--count 6] [--jobs 2]``.

The images and boxes of `solver_front.py`, seen as degraded-xray sees them: the boxes as they are, and beside them the
whole image through the profile's operator. Residuals are those of what was seen: B(variant) − B(source) outside the
protected pixels. Upstream gets the operator alone, 1000 steps from pure noise: in its arithmetic the identity stands
for the transpose, so it can't take two measurements beside each other.

Writes solver-front-degraded.json, .md and .svg into --out (docs/measurements), and prints what the rule chooses.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import medaug
from medaug.training.calibration import Layouts
from tests.benchmarks import solver_bench as bench
from tests.benchmarks import solver_rows
from tests.benchmarks.solver_front import OTHERS, references
from tests.benchmarks.solver_rows import BASELINES, SOLVERS
from tests.benchmarks.solver_rule import chosen
from tests.benchmarks.upstream import upstream

PROFILE = "degraded-xray"
GRID = [(6, 0.4), (12, 0.4), (12, 0.6), (25, 0.6)]  # steps, start
RUNS = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
        for name, run in SOLVERS.items() if name not in BASELINES for n, t0 in GRID}  # fmt: skip
PUBLIC = "upstream"
SUBJECTS: list[bench.Subjects] = []
REAL: list[solver_rows.Reference] = []  # of each subject: other images of its kind
ABOUT = (
    "The images and boxes are those of [the front of quality and cost](solver-front.md), through the operator of "
    f"`{PROFILE}`: {{operator}}. *Delivered* and *residual* are what of the blurred image is missed outside the "
    "protected pixels; *diversity* is that of all free pixels. Upstream is given the blur alone, without boxes. "
    f"*Distance to others*: to {OTHERS} other held-out images of its kind; the sources themselves are at "
    "{source:.4f}."
)


def subjects(data: Path, count: int) -> bench.Subjects:
    """Nothing is observed as it is but the boxes and what is no body."""
    plain, built = bench.subjects(data, count), medaug.tools(medaug.load_profile(PROFILE), "cpu")
    kept = plain.layouts.protected
    return replace(plain, layouts=Layouts(kept, kept, plain.layouts.inside), degraded=built.degraded)


def measure(unit: str) -> dict:
    """One solve of all images, or upstream's residual on one of them."""
    these = SUBJECTS[0]
    if unit in RUNS:
        return solver_rows.measured(unit, RUNS[unit], these, to_others)
    one = these.one(int(unit.removeprefix(PUBLIC)))
    done = bench.solve(partial(upstream, steps=1000), one, f"blurred {unit}", 0.05, operator=one.degraded)
    return {"delivered": bench.figures(one, done.solved, "replace")[0]["delivered"]}


def to_others(these: bench.Subjects, made: np.ndarray) -> list[float]:
    return solver_rows.distances(these, made, REAL)


def main(options: argparse.Namespace) -> None:
    path, operator = options.out / "solver-front-degraded.json", medaug.load_profile(PROFILE).operator
    SUBJECTS.append(subjects(options.data, options.count))
    REAL.extend(references(options.data, options.count))
    about = {"images": options.count, "prior": bench.embedded().card.sha256, "operator": operator.model_dump()}
    about |= {"seeds": len(solver_rows.SEEDS), "threads": 1}
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {}
    if {key: report.get(key) for key in about} != about:
        report = about | {"units": {}}
    wanted = [*RUNS, *(f"{PUBLIC}{n}" for n in range(options.upstream))]
    missing = [unit for unit in wanted if unit not in report["units"] and not options.written]
    for closing in solver_rows.CLOSINGS if missing else ():
        for run in RUNS.values():
            solver_rows.counted(run.func, closing, SUBJECTS[0])
    for unit, found in bench.rows(measure, missing, options.jobs):
        report["units"][unit] = {key: value for key, value in found.items() if key != "peak_mib"}
        print(unit, flush=True)
        path.write_text(json.dumps(report) + "\n")
    rows = {name: row for unit in RUNS for name, row in report["units"][unit]["rows"].items()}
    public = [report["units"][f"{PUBLIC}{n}"]["delivered"] for n in range(options.upstream)]
    choice = chosen(rows, public)
    source = float(np.mean(to_others(SUBJECTS[0], SUBJECTS[0].x[:, 0].numpy())))
    report |= {"upstream": options.upstream, "chosen": choice.name, "source": round(source, 4)}
    path.write_text(json.dumps(report) + "\n")
    told = solver_rows.told(choice, PROFILE, len(rows))
    path.with_suffix(".md").write_text(page(report, told, solver_rows.table(rows, public, lambda _: True)))
    path.with_suffix(".svg").write_text(solver_rows.plot(rows, lambda _: True))
    print("\n".join(told))


def page(report: dict, choice: list[str], table: list[str]) -> str:
    operator = " ".join(f"{value}" for value in report["operator"].values())
    lines = [
        "# The front through a blur",
        "",
        (
            f"{report['images']} held-out radiographs, upstream on the first {report['upstream']}; {report['seeds']} "
            "seeds, one batch, one thread. Written by `tests/benchmarks/solver_front_degraded.py`."
        ),
        "",
        *solver_rows.rule(),
        ABOUT.format(operator=operator, source=report["source"]),
        "",
        "![Distance against FLOPs, through a blur](solver-front-degraded.svg)",
        "",
        "## The choice",
        "",
        *choice,
        "## The rows",
        "",
        *table,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--upstream", type=int, default=6, help="images that upstream is run on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--written", action="store_true", help="write the page from the JSON's rows, measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
