"""The front of quality and cost: ``python tests/benchmarks/solver_front.py --data POOL [--count 6] [--jobs 2]``.

Solvers × steps × start × closing on held-out bones and chests (`solver_bench` says what each column is), restored as
the shipped profiles do, two seeds each; one batch of all images. Then the candidates that aren't in the package, at the
12 steps from 0.6. Upstream's residual on the same images is read from solver-costs.json: `solver_costs.py`
goes first. Rows that stand in the JSON already are kept, so that a stopped run goes on; ``--fresh`` starts anew.

Writes solver-front.json, solver-front.md and solver-front.svg into --out (docs/measurements), and prints what the rule
chooses (`solver_rule`).
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

import medaug
from tests.benchmarks import solver_bench as bench
from tests.benchmarks import solver_rows
from tests.benchmarks.solver_candidates import CANDIDATES
from tests.benchmarks.solver_costs import UPSTREAM
from tests.benchmarks.solver_judged import ROW, JudgedImages, asked, judged
from tests.benchmarks.solver_judged import table as judge_table
from tests.benchmarks.solver_rows import BASELINES, SOLVERS
from tests.benchmarks.solver_rule import chosen

GRID = [(6, 0.4), (9, 0.6), (9, 0.7), (12, 0.6), (12, 0.8), (16, 0.8)]  # steps, start
UNCHOSEN = (*BASELINES, "latino")
BOLDEST = 0.6  # start of a default; the strengths go further
FEWER = {"latino": [(8, 0.6), (8, 0.8)]}  # further ones of what is made for few steps
LIMBS = medaug.load_profile("bone-xray")
RESTORE, SIGMA = LIMBS.restore, LIMBS.regions.sigma  # and those of chest-xray
SHIPPED = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
           for name, run in SOLVERS.items() for n, t0 in GRID + FEWER.get(name, [])
           if (n, t0) == (12, 0.6) or name not in BASELINES}  # fmt: skip
TRIED = {f"{name}, 12 from 0.6": partial(run, steps=12, t0=0.6) for name, run in CANDIDATES.items()}
RUNS = SHIPPED | TRIED
SUBJECTS: list[bench.Subjects] = []
REAL: list[solver_rows.Reference] = []  # of each subject: other images of its kind
OTHERS = 24  # of each kind
ABOUT = (
    f"Boxes are drawn, the mask law is the profiles' (`gaussian-outside`, sigma {SIGMA:g}), images are restored by "
    "`delta` with a taper of 6 px, deblocked, detail under 8 px the source's, local contrast brought to it; "
    "every third is a chest. *Distance to others*: sliced Wasserstein of the free region to "
    f"{OTHERS} other held-out images of its kind. "
    "`project` and `blend` are baselines and can't be chosen: in the one pixel dust aliases, which can be seen but "
    "which the distance of so few images doesn't show, and the other's steps don't see dust. Nor can `latino`: on a "
    "leg of another source it leaves dark plugs in the talus and spots in the marrow, looked at. "
    f"Nor what starts above {BOLDEST:g}: on that leg the gate refuses three of five seeds from 0.8 for a new "
    "plug, and two of `ddnm` from 0.7, where it passes all from 0.6; what is bolder is a strength. "
    "The sources themselves are at {source:.4f}. *To the source*: to the same region before."
)

JUDGED = (
    "One variant each by the profile with the row's solver. `bone-xray`: limbs of FracAtlas's validation and test "
    "parts with their fracture boxes. `chest-xray`: chests of another source than any that the prior saw, so few that "
    "an interval is a tenth wide. *New*: share of the free region that changed by more than the source's noise. A "
    "profile's choice is among the rows that were judged for it, or that needn't be."
)
PROFILES = ("bone-xray", "chest-xray")


def measure(name: str) -> dict:
    closings = solver_rows.CLOSINGS if name in SHIPPED else (0,)
    return solver_rows.measured(name, RUNS[name], SUBJECTS[0], to_others, closings)


def to_others(these: bench.Subjects, made: np.ndarray) -> list[float]:
    return solver_rows.distances(these, made, REAL)


def references(data: Path, count: int) -> list[solver_rows.Reference]:
    """Of each of the first subjects, other images of its kind."""
    real = {
        kind: solver_rows.reference(list(found), [np.ones(i.shape, bool) for i in found])
        for kind, found in bench.others(data, OTHERS).items()
    }
    return [real[bench.KINDS[n % len(bench.KINDS)]] for n in range(count)]


def shipped(row: str) -> bool:
    return any(row == name or row.startswith(f"{name}, closed") for name in SHIPPED)


def may_be_chosen(row: str) -> bool:
    found = ROW.fullmatch(row)
    return shipped(row) and not row.startswith(UNCHOSEN) and bool(found) and float(found["start"]) <= BOLDEST


def upstream(costs: Path) -> list[float]:
    """Its residual as delivered on the first images, which are the same in both scripts."""
    report = json.loads(costs.read_text()) if costs.is_file() else {}
    if (report.get("prior"), report.get("sigma")) != (bench.embedded().card.sha256, SIGMA) or UPSTREAM not in report[
        "rows"
    ]:
        raise SystemExit(
            f"{costs.name}: expected upstream's figures with today's prior and dust, found none; run "
            "tests/benchmarks/solver_costs.py --fresh first"
        )
    return [image["delivered"] for image in report["rows"][UPSTREAM]["images"]]


def main(options: argparse.Namespace) -> None:
    path, sha = options.out / "solver-front.json", bench.embedded().card.sha256
    SUBJECTS.append(bench.subjects(options.data, options.count, RESTORE, SIGMA))
    REAL.extend(references(options.data, options.count))
    public = upstream(options.out / "solver-costs.json")[: options.count]
    about = {
        "images": len(SUBJECTS[0]),
        "prior": sha,
        "seeds": len(solver_rows.SEEDS),
        "threads": 1,
        **bench.restored_by(RESTORE),
        "sigma": SIGMA,
    }
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {}
    if {key: report.get(key) for key in about} != about:
        report = about | {"rows": {}, "judged": {}}
    known = {name for name, row in report["rows"].items() if "mottle" in row["images"]}
    wanted = [name for name in RUNS if name not in known and not options.written]
    for closing in solver_rows.CLOSINGS if wanted else ():
        for run in SHIPPED.values():
            solver_rows.counted(run.func, closing, SUBJECTS[0])
    for name, found in bench.rows(measure, wanted, options.jobs):
        report["rows"] |= found["rows"]
        print(name, flush=True)
        solver_rows.keep(path, report)
    order = [solver_rows.label(name, n) for name in RUNS for n in solver_rows.CLOSINGS]
    report["rows"] = {name: report["rows"][name] for name in order if name in report["rows"]}
    eligible = {name: row for name, row in report["rows"].items() if may_be_chosen(name)}
    images, kept = JudgedImages.by_profile(options.judge, options.scratch), partial(solver_rows.keep, path, report)
    choices = {}
    for name in PROFILES:
        ask = images.get(name) and partial(judged, medaug.load_profile(name), images=images[name])
        known = report["judged"].setdefault(name, {})
        rows = eligible if ask else {row: found for row, found in eligible.items() if row in known}
        choices[name] = chosen(rows, public, auc=asked(known, ask, kept)), len(rows)
    source = float(np.mean(to_others(SUBJECTS[0], SUBJECTS[0].x[:, 0].numpy())))
    report |= {
        "upstream": public,
        "source": round(source, 4),
        "chosen": {name: choice.name for name, (choice, _) in choices.items()},
    }
    solver_rows.keep(path, report)
    lines = [line for name in PROFILES for line in solver_rows.told(choices[name][0], name, choices[name][1])]
    path.with_suffix(".md").write_text(page(report, lines))
    path.with_suffix(".svg").write_text(solver_rows.plot(report["rows"], shipped))
    print("\n".join(lines))


def page(report: dict, choice: list[str]) -> str:
    lines = [
        "# The front of quality and cost",
        "",
        (
            f"{report['images']} held-out radiographs, upstream on the first {len(report['upstream'])}; "
            f"{report['seeds']} seeds, one batch, one thread. Written by `tests/benchmarks/solver_front.py`."
        ),
        "",
        *solver_rows.rule(),
        ABOUT.format(source=report["source"]),
        "",
        "## The choice",
        "",
        *choice,
        "## What the judge said",
        "",
        JUDGED,
        "",
        *(line for name in PROFILES for line in (f"### {name}", "", *judge_table(report["judged"][name]), "")),
        "## The rows",
        "",
        *solver_rows.table(report["rows"], report["upstream"], shipped),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--written", action="store_true", help="write the page from the JSON's rows, measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--judge", nargs=3, action="append", default=[], metavar=("PROFILE", "EXPORT", "BOXES"),
                        help="images that a profile's rows are judged on")  # fmt: skip
    parser.add_argument(
        "--scratch", type=Path, default=Path("judged"), help="where judged runs are written for a while"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
