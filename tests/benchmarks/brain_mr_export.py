"""Brain MR as an export to benchmark on: ``python -m tests.benchmarks.brain_mr_export --data DATA --out FOLDER``.

DATA is the pool that the prior of heads was trained on (Cheng et al., figshare 1512427). Its runs of 40 neighbouring
slices are the patients here. Test: every other slice of the runs that the prior's training held out, so it never saw
them. Training and validation: every fourth slice of the others, every seventh run for validation; the prior saw these,
without their boxes, as it would see the images of whoever trains a prior on data of his own.

FOLDER gets export/, boxes.json, parts.csv and export.json. Then::

    medaug benchmark FOLDER/export -a FOLDER/boxes.json --parts FOLDER/parts.csv -p brain-mr-surroundings -o BENCH
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from medaug.training.image_pool import read_pool
from medaug.training.recipe import read_recipe

RECIPE = Path("medaug/training/recipes/brain-mr-256.yaml")
FOLDER, EVERY, HELD_OUT_EVERY, VALIDATION_EVERY = "brain_mr_t1c", 4, 2, 7


def main(options: argparse.Namespace) -> None:
    (options.out / "export").mkdir(parents=True)
    coco = json.loads((options.data / f"{FOLDER}.coco.json").read_text())
    pool = read_pool(options.data, read_recipe(RECIPE).data)
    held_out = {Path(name).name for name, held in zip(pool.names, pool.held_out, strict=True) if held}
    rows = list(parts(coco["images"], held_out))
    names = {name for name, _, _ in rows}
    kept = [image for image in coco["images"] if image["file_name"] in names]
    ids = {image["id"] for image in kept}
    boxes = [one | {"category_id": 1} for one in coco["annotations"] if one["image_id"] in ids]
    for name in names:
        shutil.copy(options.data / FOLDER / name, options.out / "export" / name)
    told = {"images": kept, "annotations": boxes, "categories": [{"id": 1, "name": "tumour"}]}
    (options.out / "boxes.json").write_text(json.dumps(told))
    with (options.out / "parts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "part", "patient"), *rows])
    counts = dict(Counter(part for _, part, _ in rows))
    trained = int((~pool.held_out).sum())
    (options.out / "export.json").write_text(json.dumps({"name": "brain-mr", "trained_on": trained} | counts) + "\n")
    print(counts)


def parts(images: list[dict[str, Any]], held_out: set[str]) -> list[tuple[str, str, str]]:
    """(file, part, run) of the images that are used, run by run."""
    runs: dict[str, list[str]] = defaultdict(list)
    for image in images:
        runs[image["group"]].append(image["file_name"])
    seen = [run for run in sorted(runs) if runs[run][0] not in held_out]
    validation = set(seen[3::VALIDATION_EVERY])
    rows = []
    for run in sorted(runs):
        part = "val" if run in validation else "train" if run in seen else "test"
        step = HELD_OUT_EVERY if part == "test" else EVERY
        rows += [(name, part, run) for name in sorted(runs[run])[1::step]]
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
