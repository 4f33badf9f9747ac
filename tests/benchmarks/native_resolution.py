"""Ways back to the native grid: ``python tests/benchmarks/native_resolution.py IMAGE…``, JPEG, PNG or DICOM.

One solve of each image at 256 px with a drawn box; then, from that one solution:

  delta        source + up(D(z*) − D(E(x))): the shipped way
  delta edges  likewise, and the source's own band above 256 px is weighted by how much of its local contrast the solve
               kept, so that a ghost of an edge doesn't stay where the solve moved it
  replace      the decoded image, scaled up

Figures on the native grid: sharpness, noise and seam of `medaug.quality`, sliced Wasserstein of the free region to the
source's there (4 levels from the native one), and the ghost: correlation of the variant's fine band with the source's,
where the solve took most of the local contrast away. Less ghost is better; 1 is the source's own fine edges.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from scipy import ndimage

import medaug
from medaug.augmentation import Solution, restore_delta, restore_replace
from medaug.dicom.discover import discover
from medaug.dicom.read import read_series
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Volume
from medaug.inverse.solvers.ddnm import ddnm
from medaug.quality.figures import Pair, noise, seam, sharpness
from tests.benchmarks.measures import patches, sliced_wasserstein

REACH = 2.0  # px of the prior: how far around a pixel its local contrast is taken


def kept_contrast(solution: Solution) -> np.ndarray:
    """(1, size, size) in [0, 1]: the local contrast of D(z*) over that of D(E(x)), smoothed."""
    after, before = (
        ndimage.gaussian_filter(ndimage.gaussian_gradient_magnitude(x[0], 1.0), REACH)
        for x in (solution.solved, solution.round_trip)
    )
    return np.clip((after + 0.005) / (before + 0.005), 0.0, 1.0)[None].astype(np.float32)


def restore_edges(volume: Volume, view: Presentation, solution: Solution) -> np.ndarray:
    display = view.to_display(volume.modality)
    fine = display - view.to_native(view.present(volume.modality))
    lost = view.to_native(solution.taper * (1 - kept_contrast(solution)))
    return np.asarray(restore_delta(volume, view, solution) - view.to_modality_step(lost * fine))


WAYS = {"delta": restore_delta, "delta edges": restore_edges, "replace": restore_replace}


def read(path: Path) -> Volume:
    if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
        return medaug.from_array(np.asarray(Picture.open(path).convert("L")), window=medaug.Window.spanning(0, 255))
    return read_series(discover(path).series[0])[0]


def main(options: argparse.Namespace) -> None:
    profile = medaug.load_profile(options.profile)
    rows = []
    for path in options.images:
        volume = read(path)
        _, height, width = volume.stored.shape
        corner = (height * 45 // 100, width * 45 // 100)
        box = medaug.Box((0, *corner), (1, corner[0] + height // 10, corner[1] + width // 10), "lesion")
        caught: list[tuple[Presentation, Solution]] = []

        def catch(source: Volume, view: Presentation, solution: Solution, kept: list = caught) -> np.ndarray:
            kept.append((view, solution))
            return restore_delta(source, view, solution)

        solve = partial(ddnm, steps=options.steps, t0=options.start)
        bench = replace(medaug.tools(profile, "cpu"), restore=catch, solver=solve)
        recipe = medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1)
        variant = medaug.augment(medaug.Case(volume, (box,)), recipe, bench)
        for name, restore in WAYS.items():
            rows.append({"image": f"{height} × {width}", "way": name} | _figures(volume, variant, *caught[0], restore))
            print(json.dumps(rows[-1]), flush=True)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


def _figures(volume: Volume, variant: medaug.Variant, view: Presentation, solution: Solution, restore) -> dict:
    window, free = variant.window, variant.regions.free
    began = time.process_time()
    values = np.clip(restore(volume, view, solution), window.low, window.high)
    seconds = time.process_time() - began
    made = volume.with_modality(values, free)
    pair = Pair(volume, made, ~free, window)
    before, after = (view.to_display(v.modality)[0] for v in (volume, made))
    lost = (view.to_native(solution.taper * (kept_contrast(solution) < 0.5))[0] > 0.5) & free[0]
    fine = [x - ndimage.gaussian_filter(x, 1 / view.scale) for x in (before, after)]
    ghost = float(np.corrcoef(fine[0][lost], fine[1][lost])[0, 1]) if lost.sum() > 1000 else float("nan")
    own = patches([before], [free[0]])
    return {
        "distance": round(sliced_wasserstein(patches([after], [free[0]]), own), 4),
        **{take.__name__: round(take(pair), 3) for take in (sharpness, noise, seam)},
        "ghost": round(ghost, 3),
        "where": round(float(lost.sum() / free.sum()), 3),
        "cpu_s": round(seconds, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--start", type=float, default=0.6)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
