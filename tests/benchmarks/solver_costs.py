"""What a solve costs against the public code: ``python tests/benchmarks/solver_costs.py --data POOL [--jobs 2]``.

`upstream` is the public code's arithmetic (`upstream.py`), 1000 steps from pure noise; `psld` with the paper's settings
likewise; then the shipped profiles' solves, read from the profiles. Same prior, images, boxes and observed pixels, each
image alone, one thread (`solver_bench` says what each column is). Ratios are paired, image by image.

Upstream isn't charged for what the public code wastes beside its arithmetic (two identical prompts, weights that keep
gradients): ratios would be larger. Its result is taken as it is, medaug's as the profile restores it.

Writes solver-costs.json and solver-costs.md into --out (docs/explanation).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import medaug
from medaug.assemble import solver_of
from medaug.inverse.solvers.psld import psld
from tests.benchmarks import solver_bench as bench
from tests.benchmarks.upstream import upstream

UPSTREAM = "upstream, 1000 steps"
NOISE = 0.05  # the paper's measurement noise
PROFILES = ("bone-xray", "chest-xray", "body-ct")
PUBLIC: dict[str, tuple[Callable, float, str]] = {UPSTREAM: (partial(upstream, steps=1000), NOISE, "replace")}
PAPER: dict[str, tuple[Callable, float, str]] = {
    "psld, the paper's settings": (partial(psld, steps=1000, t0=1.0, omega=1.0, gamma=0.2), NOISE, "replace")
}
COLUMNS = ("solve", "denoise / decode / encode", "TFLOP", "CPU s", "MiB", "distance", "seam", "residual", "delivered",
           "protected pixels, dB", "SSIM")  # fmt: skip
SUBJECTS: list[bench.Subjects] = []
RUNS: dict[str, tuple[Callable, float, str]] = {}


def runs() -> dict[str, tuple[Callable, float, str]]:
    """Row → (solver, measurement noise, way of restoring)."""
    found = dict(PUBLIC)
    for name in PROFILES:
        profile = medaug.load_profile(name)
        spec = profile.solver
        label = f"{name}: {spec.kind}, {spec.steps} from {spec.start:g}"
        run = solver_of(profile, bench.embedded().card)
        found[label] = (run, profile.measurement_noise, profile.restore.kind)
    return found | PAPER


def measure(name: str) -> dict:
    (run, noise, way), these = RUNS[name], SUBJECTS[0]
    rows = []
    for number in range(len(these)):
        one = these.one(number)
        done = bench.solve(run, one, f"costs {number}", noise)
        distance = bench.pooled_distance(one, bench.restored(one, done.solved, way))
        row = (
            {"distance": distance}
            | bench.figures(one, done.solved, way)[0]
            | {"cpu_s": done.cpu_s, "wall_s": done.wall_s}
        )
        rows.append({key: round(value, 4) for key, value in row.items()})
    return {"calls": done.calls, "TFLOP": round(bench.tera_flop(run, these), 4), "images": rows}


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-costs.json"
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {"rows": {}}
    RUNS.update(runs())
    SUBJECTS.append(bench.subjects(options.data, options.count))
    if report.get("images") not in {None, options.count}:
        report = {"rows": {}}
    wanted = [name for name in RUNS if name not in report["rows"] and (name not in PAPER or not options.no_paper)]
    for name, row in bench.rows(measure, wanted, options.jobs):
        report["rows"][name] = row
        print(name, json.dumps(row), flush=True)
        path.write_text(json.dumps(report, indent=1) + "\n")
    rows = {name: report["rows"][name] for name in RUNS if name in report["rows"]}
    report = {"images": options.count, "threads": 1, "rows": rows, "ratios": ratios(rows)}
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(report))
    print(path.with_suffix(".md").read_text())


def ratios(rows: dict) -> dict:
    """Of upstream over each row: FLOPs, and per image CPU and wall seconds; of each row over upstream: quality."""
    public, found = rows[UPSTREAM], {}
    for name, row in rows.items():
        pairs = list(zip(public["images"], row["images"], strict=True))
        cheaper = {key: bench.spread(a[key] / b[key] for a, b in pairs) for key in ("cpu_s", "wall_s")}
        keys = ("distance", "seam", "residual", "delivered")
        quality = {key: bench.spread(b[key] / a[key] for a, b in pairs) for key in keys}
        found[name] = {"TFLOP": round(public["TFLOP"] / row["TFLOP"], 1)} | cheaper | {"quality": quality}
    return found


def table(report: dict) -> str:
    lines = [
        "# What a solve costs, against the public code's arithmetic",
        "",
        (
            f"{report['images']} held-out radiographs at 256 px, each alone, one thread; medians (quartiles). Written "
            "by `tests/benchmarks/solver_costs.py`."
        ),
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
    ]
    keys = ("cpu_s", "distance", "seam", "residual", "delivered", "protected_db", "protected_ssim")
    for name, row in report["rows"].items():
        calls = " / ".join(str(row["calls"].get(kind, 0)) for kind in ("denoise", "decode", "encode"))
        cpu, *quality = (bench.told(bench.spread(image[key] for image in row["images"])) for key in keys)
        lines.append(f"| {name} | {calls} | {row['TFLOP']:.3f} | {cpu} | {row['peak_mib']} | {' | '.join(quality)} |")
    lines += [
        "",
        "Against upstream, image by image: how many times less; quality as a share of upstream's, below 1 is better.",
        "",
        "| solve | FLOPs, times fewer | CPU time | wall time | distance | seam | residual | delivered |",
        "|" + "---|" * 8,
    ]
    for name, row in report["ratios"].items():
        times = [bench.told(row[key]) for key in ("cpu_s", "wall_s")]
        quality = [bench.told(row["quality"][key]) for key in row["quality"]]
        lines.append(f"| {name} | {row['TFLOP']:g} | {' | '.join(times + quality)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--no-paper", action="store_true", help="leave out the paper's settings: as slow as upstream")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/explanation"))
    main(parser.parse_args())
