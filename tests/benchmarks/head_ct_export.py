"""Head CT as an export for the judge: ``python -m tests.benchmarks.head_ct_export --data DATA --out FOLDER``.

DATA is the pool that the prior of head CT was trained on (CT-ICH). Taken is one slice of each of its 70 patients, at a
random height; the seven that its training held out are too few for a judge that keeps patients apart. A box of a tenth
to a fifth of the side is drawn at random within the middle of the head: nobody has labelled these. FOLDER gets export/
and boxes.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np

from medaug.training.image_pool import read_pool
from medaug.training.recipe import read_recipe

RECIPE = Path("medaug/training/recipes/head-ct-256.yaml")
LEAST_LIT = 0.2  # share of a slice that isn't black: below it there is no more than a vertex


def main(options: argparse.Namespace) -> None:
    (options.out / "export").mkdir(parents=True)
    pool = read_pool(options.data, read_recipe(RECIPE).data)
    slices: dict[str, list[str]] = defaultdict(list)
    for name, image in zip(pool.names, pool.images, strict=True):
        if (image > 16).mean() > LEAST_LIT:
            slices[Path(name).stem.split("_")[0]].append(name)
    images, boxes = [], []
    draw = np.random.default_rng(1)
    for number, patient in enumerate(sorted(slices), 1):
        name = sorted(slices[patient])[draw.integers(len(slices[patient]))]
        shutil.copy(options.data / name, options.out / "export" / Path(name).name)
        images.append({"id": number, "file_name": Path(name).name, "width": 256, "height": 256})
        width, height = (int(side) for side in draw.integers(26, 52, 2))
        corner = [int(draw.integers(80, 176 - side)) for side in (width, height)]
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [*corner, width, height]})
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "drawn"}]}
    (options.out / "boxes.json").write_text(json.dumps(told))
    print(f"{len(images)} slices, one a patient")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
