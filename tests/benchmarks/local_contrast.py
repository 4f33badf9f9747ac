"""What a solve does to local contrast: ``python -m tests.benchmarks.local_contrast --data DEV PROFILE ROW [ROW …]``.

Power of each band in the free region over the source's there, and the correlation of the two, medians over the images,
for rows of a front (such as ``"diffstategrad, 12 from 0.8, closed 1"``), without `restore.contrast` and with it. Bands
are octaves of an image whose longer side has the prior's px: differences of two Gaussians.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import medaug
from medaug.imaging.resample import coverage, resize
from medaug.imaging.volume import Float32
from medaug.quality.levels import levels
from tests.benchmarks import strength
from tests.benchmarks.solver_judged import with_row

SIGMAS = (1, 2, 4, 8, 16)  # px of the prior's
WAVE = 2 * np.pi / np.sqrt(2 * np.log(2))  # px of the wave that a Gaussian of sigma 1 halves


def bands(image: Float32) -> list[Float32]:
    """Octaves, from the finest on."""
    blurred = [gaussian_filter(image, sigma) for sigma in SIGMAS]
    return [fine - coarse for fine, coarse in pairwise(blurred)]


def compared(variant: medaug.Variant, size: int) -> list[tuple[float, float]]:
    """Power over the source's and correlation with it, by band, of a variant of one slice."""
    rows, columns = variant.regions.free.shape[1:]
    scale = min(1.0, size / max(rows, columns))
    shape = (round(rows * scale), round(columns * scale))
    free = coverage(variant.regions.free[0], shape) > 0.99
    of = [resize(levels(volume, variant.window, 0), shape) for volume in (variant.before, variant.volume)]
    found = []
    for source, made in zip(*map(bands, of), strict=True):
        a, b = source[free], made[free]
        found.append(((b @ b) / (a @ a), (a @ b) / np.sqrt((a @ a) * (b @ b))))
    return found


def line(profile: medaug.Profile, row: str, contrast: bool, cases: list[medaug.Case]) -> str:
    asked = with_row(profile, row)
    asked = asked.model_copy(update={"restore": asked.restore.model_copy(update={"contrast": contrast})})
    tools = medaug.tools(asked, "cpu", threads=1)
    recipes = [medaug.Recipe.of(case.volume, case.boxes, asked, seed=0) for case in cases]
    variants = [medaug.augment(case, recipe, tools) for case, recipe in zip(cases, recipes, strict=True)]
    figures = np.median([compared(variant, asked.size) for variant in variants], axis=0)
    told = " | ".join(f"{power:.2f} ({correlation:.2f})" for power, correlation in figures)
    return f"| {row} | {'yes' if contrast else 'no'} | {told} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("profile")
    parser.add_argument("rows", nargs="+")
    given = parser.parse_args()
    which = strength.labelled if given.profile in strength.LABELLED else strength.with_drawn_box
    cases, profile = list(which(given.data, given.profile, given.images)), medaug.load_profile(given.profile)
    ends = [f"{low * WAVE:.0f}–{high * WAVE:.0f} px" for low, high in pairwise(SIGMAS)]
    print(f"| row | contrast given back | {' | '.join(ends)} |\n|---|---|{'---|' * len(ends)}")
    for row in given.rows:
        for contrast in (False, True):
            print(line(profile, row, contrast, cases), flush=True)


if __name__ == "__main__":
    main()
