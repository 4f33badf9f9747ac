"""The judge of realism over starts and restorations of a profile, on one export of pictures.

python -m tests.benchmarks.realism_by_strength EXPORT -a boxes.json --out FOLDER \
    --rows "radiograph-256 outside 0.3 0" "brain-mr-256 surroundings 0.6 6"

A row: prior, law (`outside`: as `gaussian-outside`; `surroundings`: as the profile has it), start, `restore.fine`. A
unit of start has forty steps. Each row prints a line of Markdown: mean change in grey levels of 255, share that is
new, AUC with its interval, and that of real against real.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import medaug
from medaug.benchmark.realism.realism import Realism, realism
from medaug.profile.components import GaussianOutside
from medaug.profile.prior_choice import with_prior
from medaug.profile.profile import Profile

STEPS = 40  # of a whole schedule


def varied(profile: Profile, row: str) -> Profile:
    """The profile as a row asks for it."""
    prior, law, start, fine = row.split()
    solver = profile.solver.model_copy(update={"start": float(start), "steps": round(STEPS * float(start))})
    changes = {"solver": solver, "restore": profile.restore.model_copy(update={"fine": float(fine)})}
    if law == "outside":
        margin, sigma = profile.regions.margin, profile.regions.sigma
        changes["regions"] = GaussianOutside(kind="gaussian-outside", sigma=sigma, margin=margin)
    return with_prior(profile.model_copy(update=changes), prior)


def line(row: str, found: Realism, written: int, of: int) -> str:
    """Of a table in Markdown."""
    told, null, variety = found.judgement.told, found.judgement.null, found.variety
    cells = (
        *row.split(),
        f"{written} of {of}",
        f"{variety.change:.1f}",
        f"{variety.share:.0%}",
        f"{told.value:.2f} ({told.low:.2f} to {told.high:.2f})",
        f"{null.value:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def run(profile: Profile, export: Path, annotations: Path, output: Path) -> tuple[int, int]:
    """A variant of each image; how many were written, of how many."""
    summary = medaug.run(
        export,
        output,
        annotations=annotations,
        profile=profile,
        accept_identity="public benchmark data",
        device="cpu",
        max_failures=1.0,
    )
    return summary.counts.get("written", 0), sum(summary.counts.values())


def main(options: argparse.Namespace) -> None:
    print("| prior | law | start | fine | written | change | new | AUC (95 %) | real against real |", flush=True)
    base = medaug.load_profile(options.profile)
    for number, row in enumerate(options.rows):
        output = options.out / str(number)
        counts = run(varied(base, row), options.export, options.annotations, output)
        print(line(row, realism(output, options.export), *counts), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path)
    parser.add_argument("-a", "--annotations", type=Path, required=True)
    parser.add_argument("--profile", default="brain-mr-surroundings")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", required=True)
    main(parser.parse_args())
