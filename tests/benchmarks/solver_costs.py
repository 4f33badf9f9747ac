"""What a solve costs against the public code: ``python tests/benchmarks/solver_costs.py --data POOL [--jobs 2]``.

`upstream` is the public code's arithmetic (`upstream.py`), 1000 steps from pure noise; `psld` with the paper's settings
likewise, on the first images (--paper); then the shipped profiles' solves, read from the profiles. Same prior, images,
boxes and observed pixels, each image alone, one thread, in a process of its own (`solver_bench` says what each column
is). Ratios are paired, image by image. `solver_front.py` reads upstream's figures here, so its images are the same.

Upstream isn't charged for what the public code wastes beside its arithmetic (two identical prompts, weights that keep
gradients): ratios would be larger. Its result is taken as it is, medaug's as the profile restores it.

Writes solver-costs.json and solver-costs.md into --out (docs/measurements).
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
BARS = (
    "40 times fewer FLOPs, 20 times less wall time, and distance, seam and residual as delivered no worse than "
    "upstream's, by the medians"
)
AT = " @ "
SUBJECTS: list[bench.Subjects] = []
RUNS: dict[str, tuple[Callable, float, str]] = {}


def runs() -> dict[str, tuple[Callable, float, str]]:
    """Row → (solver, measurement noise, way of restoring)."""
    found = dict(PUBLIC)
    for name in PROFILES:
        profile = medaug.load_profile(name)
        spec = profile.solver
        closing = f", closed {profile.levers.closing}" if profile.levers.closing else ""
        label = f"{name}: {spec.kind}, {spec.steps} from {spec.start:g}{closing}"
        run = solver_of(profile, bench.embedded().card)
        found[label] = (run, profile.measurement_noise, profile.restore.kind)
    return found | PAPER


def measure(unit: str) -> dict:
    """One row's figures of one image; ``unit`` is the row's name and the image's number."""
    name, number = unit.rsplit(AT, 1)
    (run, noise, way), one = RUNS[name], SUBJECTS[0].one(int(number))
    done = bench.solve(run, one, f"costs {number}", noise)
    row = {"distance": bench.pooled_distance(one, bench.restored(one, done.solved, way))}
    row |= bench.figures(one, done.solved, way)[0] | {"cpu_s": done.cpu_s, "wall_s": done.wall_s}
    return {"calls": done.calls, "image": {key: round(value, 4) for key, value in row.items()}}


def units(options: argparse.Namespace, rows: dict) -> list[str]:
    """What is still to be measured."""
    counts = {name: options.paper if name in PAPER else options.count for name in RUNS}
    return [f"{name}{AT}{n}" for name in RUNS for n in range(len(rows.get(name, {}).get("images", ())), counts[name])]


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-costs.json"
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {"rows": {}}
    RUNS.update(runs())
    limbs = medaug.load_profile("bone-xray")
    restore, sigma = limbs.restore, limbs.regions.sigma  # and those of chest-xray
    SUBJECTS.append(bench.subjects(options.data, options.count, restore, sigma))
    about = {"images": options.count, "prior": bench.embedded().card.sha256, "threads": 1}
    about |= bench.restored_by(restore) | {"sigma": sigma}
    if {key: report.get(key) for key in about} != about:
        report = about | {"rows": {}}
    rows = report["rows"]
    for unit, found in bench.rows(measure, units(options, rows), options.jobs):  # in their order
        name = unit.rsplit(AT, 1)[0]
        if name not in rows:
            cost = round(bench.tera_flop(RUNS[name][0], SUBJECTS[0]), 4)
            rows[name] = {"calls": found["calls"], "TFLOP": cost, "peak_mib": 0, "images": []}
        rows[name]["peak_mib"] = max(rows[name]["peak_mib"], found["peak_mib"])
        rows[name]["images"].append(found["image"])
        print(unit, json.dumps(found["image"]), flush=True)
        path.write_text(json.dumps(report, indent=1) + "\n")
    rows = {name: rows[name] for name in RUNS if name in rows}
    report |= {"rows": rows, "ratios": ratios(rows)}
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(report))
    print(path.with_suffix(".md").read_text())


def ratios(rows: dict) -> dict:
    """Of upstream over each row: FLOPs, and per image CPU and wall seconds; of each row over upstream: quality."""
    public, found = rows[UPSTREAM], {}
    for name, row in rows.items():
        pairs = list(zip(public["images"], row["images"], strict=False))  # the paper's settings have fewer
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
            f"{report['images']} held-out radiographs at 256 px (fewer for the paper's settings), each alone, one "
            "thread; medians (quartiles). Written by `tests/benchmarks/solver_costs.py`."
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
    lines += ["", f"The bars of a default: {BARS}.", ""]
    lines += [f"* {name}: {bars(row)}" for name, row in report["ratios"].items() if name not in PUBLIC | PAPER]
    return "\n".join(lines) + "\n"


def bars(row: dict) -> str:
    """Which of `BARS` a row holds, by its medians."""
    found = {"FLOPs": row["TFLOP"] >= 40, "wall time": row["wall_s"][1] >= 20}
    found |= {key: row["quality"][key][1] <= 1 for key in ("distance", "seam", "delivered")}
    missed = [key for key, held in found.items() if not held]
    return f"missed: {', '.join(missed)}" if missed else "all held"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--paper", type=int, default=3, help="images for the paper's settings, as slow as upstream")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
