"""Do neighbouring slices agree? ``python tests/benchmarks/through_plane.py --source SERIES_OR_NIFTI``.

Some slices from the middle of a volume, a drawn box of a tenth of each axis, through `medaug.augment`, once per solver
and once per way of restoring. The figure is the quality check `through_plane`: root mean square of the difference of
neighbouring slices in the free region, over the source's. The bar is 0.8 to 1.2.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import medaug
from medaug.dicom.discover import discover
from medaug.dicom.read import read_series
from medaug.imaging.volume import Volume
from medaug.nifti import read_nifti

NAMES = ("through_plane", "seam", "sharpness", "noise", "change", "observed_residual")


def read(path: Path) -> Volume:
    if path.is_file():
        return read_nifti(path)
    return max((v for series in discover(path).series for v in read_series(series)), key=lambda v: v.stored.size)


def middle(volume: Volume, count: int) -> Volume:
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


def main(options: argparse.Namespace) -> None:
    volume = middle(read(options.source), options.slices)
    _, rows, columns = volume.stored.shape
    last = max(2, options.slices // 2)
    box = medaug.Box((1, rows * 9 // 20, columns * 9 // 20), (last, rows * 11 // 20, columns * 11 // 20), "lesion")
    base = medaug.load_profile(options.profile)
    results = []
    for solver in options.solver:
        for restore in options.restore:
            spec = {"kind": solver, "steps": options.steps, "start": options.start}
            changes = {"solver": spec, "restore": {"kind": restore, "feather": 3}}
            profile = medaug.Profile.model_validate(base.model_dump(mode="json") | changes)
            recipe = medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1)
            began = time.process_time()
            variant = medaug.augment(medaug.Case(volume, (box,)), recipe, medaug.tools(profile, "cpu"))
            figures = {check.name: round(check.value, 3) for check in variant.checks if check.name in NAMES}
            results.append({"solver": solver, "restore": restore, **figures, "cpu_s": time.process_time() - began})
            print(json.dumps(results[-1]), flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--profile", default="brain-mr")
    parser.add_argument("--slices", type=int, default=6)
    parser.add_argument("--solver", nargs="+", default=["psld", "ddnm"])
    parser.add_argument("--restore", nargs="+", default=["delta", "replace"])
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--start", type=float, default=0.3)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
