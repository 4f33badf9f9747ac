"""A small export of pictures with lesions that a detector learns in seconds, and a benchmark of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from medaug.benchmark.design.design import Design
from medaug.benchmark.request import BenchmarkRequest
from medaug.execution.planning.request import RunRequest
from tests.support.small_runs import small_profile

SIDE, LESION = 96, 20
DESIGN = Design(
    arms=("real", "duplicates", "medaug"),
    fractions=(0.5,),
    seeds=2,
    folds=2,
    steps=24,
    size=64,
    detector="random-features",
)


def export(folder: Path, labelled: int = 10, normal: int = 2) -> Path:
    """Soft blotches, each image its own, and a bright square on those that are labelled, with boxes.json."""
    images, annotations = [], []
    (folder / "in").mkdir(parents=True)
    for n in range(labelled + normal):
        rng = np.random.default_rng(n)
        pixels = 90 + 35 * ndimage.zoom(rng.normal(0, 1, (6, 6)), SIDE / 6, order=1)
        left, top = (int(v) for v in rng.integers(8, SIDE - LESION - 8, 2))
        if n < labelled:
            pixels[top : top + LESION, left : left + LESION] = 250
            annotations.append({"id": n, "image_id": n, "category_id": 1, "bbox": [left, top, LESION, LESION]})
            images.append({"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE})
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "in" / f"{n}.png")
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "lesion"}]}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder


def request(folder: Path, root: Path, design: Design = DESIGN, command: str = "") -> BenchmarkRequest:
    run = RunRequest.of(
        folder / "in",
        annotations=folder / "boxes.json",
        profile=small_profile(folder / "profile"),
        accept_identity="drawn by the test",
        device="cpu",
    )
    return BenchmarkRequest(run, root, design, command)
