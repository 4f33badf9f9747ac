"""FracAtlas as an export to benchmark on: ``python tests/benchmarks/fracatlas_export.py --data DATA --out FOLDER``.

The prior was trained on FracAtlas's normals and on 82 of its fractures. What it saw is kept out of the benchmark:

  labelled   an image whose fingerprint is within 10 of 240 bits of any training image's is left out (the 82 themselves
             aren't among the labelled images of DATA; these are other exposures of the same limbs, or look alike)
  normal     only images that the prior's training held out

FOLDER gets export/, boxes.json, parts.csv (the official split of the labelled ones, for --parts) and export.json,
which says how many were left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medaug.training.image_pool import NEAR, Pool, fingerprints, on_canvas, read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks.prior_controls import RECIPE


def main(options: argparse.Namespace) -> None:
    (options.out / "export").mkdir(parents=True)
    files, coco = _labelled(next((options.data / "dev").glob("01*")))
    pool = read_pool(options.data / "pool", read_recipe(RECIPE).data)
    size = pool.images.shape[1]
    shown = np.stack([on_canvas(Image.open(files[image["id"]]), size)[0] for image in coco["images"]])
    near = _distance(pool, shown) <= NEAR
    kept = [image for image, out in zip(coco["images"], near, strict=True) if not out]
    chosen = {image["id"] for image in kept}
    boxes = [one for one in coco["annotations"] if one["image_id"] in chosen]
    for image in kept:
        shutil.copy(files[image["id"]], options.out / "export" / image["file_name"])
    normals = [n for n, held in zip(pool.names, pool.held_out, strict=True) if held and n.startswith("bone/")]
    normals = normals[:: max(1, len(normals) // options.normals)][: options.normals]
    for name in normals:
        shutil.copy(options.data / "pool" / name, options.out / "export" / f"normal_{Path(name).name}")
    told = {"images": kept, "annotations": boxes, "categories": [{"id": 1, "name": "fracture"}]}
    (options.out / "boxes.json").write_text(json.dumps(told))
    rows = [(image["file_name"], files[image["id"]].parent.parent.name) for image in kept]
    with (options.out / "parts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "part"), *rows])
    counts = {
        "labelled": len(kept),
        "left_out_as_near_a_training_image": int(near.sum()),
        "trained_on": int((~pool.held_out).sum()),
        "normals_held_out_by_the_prior": len(normals),
    }
    (options.out / "export.json").write_text(json.dumps(counts, indent=1) + "\n")
    print(counts)


def _labelled(folder: Path) -> tuple[dict[int, Path], dict[str, list[dict[str, Any]]]]:
    """Files by image, and the three parts of the official split as one list."""
    files, images, boxes = {}, [], []
    for part in ("train", "val", "test"):
        coco = json.loads((folder / part / "annotations.coco.json").read_text())
        images += coco["images"]
        boxes += coco["annotations"]
        files |= {image["id"]: folder / part / "images" / image["file_name"] for image in coco["images"]}
    numbered = [{**box, "id": n, "category_id": 1} for n, box in enumerate(boxes, 1)]
    return files, {"images": images, "annotations": numbered}


def _distance(pool: Pool, images: np.ndarray) -> np.ndarray:
    """Of each image, in bits, to the nearest image that the prior was trained on."""
    known = fingerprints(pool.images[~pool.held_out])
    return np.array([np.bitwise_count(known ^ one).sum(axis=1, dtype=np.int32).min() for one in fingerprints(images)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--normals", type=int, default=120)
    main(parser.parse_args())
