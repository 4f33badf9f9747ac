"""Do neighbouring slices agree? ``python tests/benchmarks/through_plane.py --data DATA --out FILE.json``.

Four slices from the middle of three volumes (fewer where there are fewer), a drawn box of a tenth of each axis, through
`medaug.augment`: once per solver and start, and from each solution once per way of restoring. The figure is the quality
check `through_plane`: root mean square of the difference of neighbouring slices in the free region, over the source's.
The bar is 0.8 to 1.2. *Own noise* is the same solve with other noise in each slice: what sharing it along the normal
gives. *Coupled* is the cure that was tried where the bar is missed: the change of each slice is averaged with its
neighbours' by weights ¼ ½ ¼ along the normal, which keeps what neighbours have in common (`delta` only).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import medaug
from medaug.augmentation import solve as solving_rows
from medaug.augmentation.augment import Presented, bring_back, present, solve
from medaug.augmentation.restore import Solution, restore_replace
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.formats.nifti import read_nifti
from medaug.imaging.volume import Volume
from tests.benchmarks.tables import markdown

CASES = {
    "T1 MR, DICOM (07)": ("07_mr_t1_studyforrest/mr", "brain-mr"),
    "brain MR, NIfTI (12)": ("12_nifti_brain_label_pyradiomics/brain1_image.nii.gz", "brain-mr"),
    "liver CT (03)": ("03_ct_liver_seg_dcmqi/ct", "body-ct"),
}
WEIGHTS = {"psld": {"omega": 0.03, "gamma": 0.01}, "diffstategrad": {"omega": 0.03, "gamma": 0.01}, "ddnm": {}}


def read(path: Path) -> Volume:
    if path.is_file():
        return read_nifti(path)
    return max((v for series in discover(path).series for v in read_series(series)), key=lambda v: v.stored.size)


def middle(volume: Volume, count: int) -> Volume:
    count = min(count, volume.stored.shape[0])
    first = (volume.stored.shape[0] - count) // 2
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += first * affine[:3, 0]
    return medaug.from_array(
        volume.stored[first : first + count],
        affine=affine,
        rescale=volume.rescale[first],
        window=volume.window,
        padding=volume.padding,
        modality=volume.source.modality,
    )


def coupled(solution: Solution) -> Solution:
    """The change averaged along the normal, ¼ ½ ¼; the ends repeat."""
    change = np.pad(solution.solved - solution.round_trip, [(1, 1), (0, 0), (0, 0)], mode="edge")
    even = (change[:-2] + 2 * change[1:-1] + change[2:]) / 4
    return replace(solution, solved=solution.round_trip + even)


def ways(
    presented: Presented, solution: Solution, bench: medaug.Tools
) -> Iterator[tuple[str, Callable[[], medaug.Variant]]]:
    yield "delta", lambda: bring_back(presented, solution, bench)
    yield "replace", lambda: bring_back(presented, solution, replace(bench, restore=restore_replace))
    yield "delta, coupled", lambda: bring_back(presented, coupled(solution), bench)


def main(options: argparse.Namespace) -> None:
    results = []
    for name, (place, profile_name) in CASES.items():
        volume = middle(read(options.data / place), options.slices)
        slices, height, width = volume.stored.shape
        box = medaug.Box((1, height * 9 // 20, width * 9 // 20), (2, height * 11 // 20, width * 11 // 20), "lesion")
        base = medaug.load_profile(profile_name).model_dump(mode="json")
        for solver in options.solver:
            for start in options.start:
                spec = {"kind": solver, "steps": options.steps, "start": start, **WEIGHTS[solver]}
                profile = medaug.Profile.model_validate(base | {"solver": spec})
                bench = medaug.tools(profile, "cpu")
                recipe = medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1)
                presented = present(medaug.Case(volume, (box,)), recipe, bench)
                began = time.process_time()
                solution = solve(presented, bench)
                seconds = round(time.process_time() - began, 1)
                row: dict[str, object] = {"volume": f"{name}, {slices} slices", "solver": solver, "start": start}
                for way, made in ways(presented, solution, bench):
                    row[way] = _through(made())
                row["delta, own noise"] = _through(_own_noise(presented, recipe, bench))
                results.append(row | {"cpu_s": seconds})
                print(json.dumps(results[-1]), flush=True)
    print(markdown(results))
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def _through(variant: medaug.Variant) -> float:
    return next(round(float(check.value), 3) for check in variant.checks if check.name == "through_plane")


def _own_noise(presented: Presented, recipe: medaug.Recipe, bench: medaug.Tools) -> medaug.Variant:
    rows = [replace(row, recipe=replace(recipe, variant=k)) for k, row in enumerate(presented.slices)]
    return bring_back(presented, presented.solution(solving_rows.solve_slices(rows, presented.prior, bench)), bench)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of development cases")
    parser.add_argument("--slices", type=int, default=4)
    parser.add_argument("--solver", nargs="+", default=["psld", "ddnm"])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--start", type=float, nargs="+", default=[0.3, 0.6, 0.8, 1.0])
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
