"""CT of the chest as an export for the judge: ``python -m tests.benchmarks.chest_ct_export --data DATA --out FOLDER``.

DATA is the pool of slices; its chest_ct/ holds slices of TCGA-LUAD (TCIA, CC BY 3.0) as pictures in two windows, on
which no prior was trained. Taken is one slice in the soft-tissue window of each of the 54 patients, at random. A box of
a tenth to a fifth of the side is drawn within the middle: nobody has labelled these. FOLDER gets export/, boxes.json
and body-ct-pictures.yaml: `body-ct` for pictures, which state no millimetres, so that its margin of 5 mm is 1.4 % of
the side (of 350 mm), and whose window is that of the file.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np

import medaug
from medaug.profile.components import FileWindow, Margin

SIDE = 288


def of_patients(data: Path) -> dict[str, list[str]]:
    """Patient → its slices in the soft-tissue window, below DATA."""
    slices: dict[str, list[str]] = defaultdict(list)
    with (data / "index.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            if row["path"].startswith("chest_ct/") and row["path"].endswith("_soft.jpg"):
                slices[row["group"]].append(row["path"])
    return slices


def for_pictures(profile: medaug.Profile) -> medaug.Profile:
    margin = Margin(value=0.014, unit="relative")
    changes = {
        "name": f"{profile.name}-pictures",
        "modalities": ("RASTER",),
        "window": FileWindow(kind="file"),
        "regions": profile.regions.model_copy(update={"margin": margin}),
    }
    return profile.model_copy(update=changes)


def main(options: argparse.Namespace) -> None:
    (options.out / "export").mkdir(parents=True)
    images, boxes = [], []
    draw = np.random.default_rng(1)
    for number, (_, names) in enumerate(sorted(of_patients(options.data).items()), 1):
        name = sorted(names)[draw.integers(len(names))]
        shutil.copy(options.data / name, options.out / "export" / Path(name).name)
        images.append({"id": number, "file_name": Path(name).name, "width": SIDE, "height": SIDE})
        width, height = (int(side) for side in draw.integers(SIDE // 10, SIDE // 5, 2))
        corner = [int(draw.integers(SIDE // 3, 2 * SIDE // 3 - side)) for side in (width, height)]
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [*corner, width, height]})
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "drawn"}]}
    (options.out / "boxes.json").write_text(json.dumps(told))
    pictures = for_pictures(medaug.load_profile("body-ct"))
    (options.out / "body-ct-pictures.yaml").write_text(pictures.to_yaml())
    print(f"{len(images)} slices, one a patient")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
