"""The pictures of docs/how-to/training.md: what the loop gets, of radiographs that the prior drew.

python tests/benchmarks/training_pictures.py FOLDER --out docs/images

FOLDER gets the images, their boxes and a run; about two minutes of processor.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.utils.data import DataLoader

import medaug
from medaug.monai import RandClassicd
from medaug.torch import collate, real_and_synthetic

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIDE, GAP = 216, 8  # px
REAL, SYNTHETIC = (90, 200, 110), (255, 190, 70)  # a frame's colour


def export(folder: Path) -> Path:
    """Five PNG, and their boxes as COCO."""
    sys.path.insert(0, str(EXAMPLES))
    import demo
    import samples

    (folder / "images").mkdir(parents=True, exist_ok=True)
    images = samples.drawn()
    for name, image in images.items():
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(folder / "images" / f"{name}.png")
    boxes = folder / "boxes.json"
    boxes.write_text(json.dumps(demo._coco({f"{n}.png": (image, samples.PICKS[n]) for n, image in images.items()})))
    return boxes


def panel(image: torch.Tensor, boxes: Iterable[Iterable[float]], frame: tuple[int, int, int]) -> Image.Image:
    """One image of (1, rows, columns) in [0, 1] with its boxes [x0, y0, x1, y1], and a frame."""
    shown = Image.fromarray((image[0].clamp(0, 1).numpy() * 255).astype(np.uint8)).convert("RGB")
    drawing = ImageDraw.Draw(shown)
    for box in boxes:
        drawing.rectangle([float(edge) for edge in box], outline=(255, 255, 255), width=2)
    shown.thumbnail((SIDE, SIDE))
    made = Image.new("RGB", (SIDE, SIDE), "black")
    made.paste(shown, ((SIDE - shown.width) // 2, (SIDE - shown.height) // 2))
    ImageDraw.Draw(made).rectangle([0, 0, SIDE - 1, SIDE - 1], outline=frame, width=3)
    return made


def row(panels: list[Image.Image]) -> Image.Image:
    made = Image.new("RGB", (len(panels) * (SIDE + GAP) - GAP, SIDE), "white")
    for number, each in enumerate(panels):
        made.paste(each, (number * (SIDE + GAP), 0))
    return made


def batch(folder: Path, boxes: Path) -> Image.Image:
    """The first batch that `real_and_synthetic` gives."""
    data = real_and_synthetic(real=boxes, images=folder / "images", output=folder / "out", ratio=1.0)
    loader = DataLoader(data.training, 5, sampler=data.sampler, collate_fn=collate)
    images, targets = next(iter(loader))
    colours = [SYNTHETIC if target["synthetic"] else REAL for target in targets]
    return row([panel(i, t["boxes"], c) for i, t, c in zip(images, targets, colours, strict=True)])


def classic(folder: Path, boxes: Path) -> Image.Image:
    """One real image, and four draws of the plain transforms of its profile."""
    coco = json.loads(boxes.read_text())
    name = "leg.png"
    number = next(image["id"] for image in coco["images"] if image["file_name"] == name)
    x, y, width, height = next(one["bbox"] for one in coco["annotations"] if one["image_id"] == number)
    box = np.array([[x, y, x + width, y + height]], dtype=np.float64)
    pixels = torch.from_numpy(np.asarray(Image.open(folder / "images" / name), np.float32)[None] / 255)
    panels = [panel(pixels, box, REAL)]
    for seed in range(4):
        turned = RandClassicd(keys="image", box_key="box", profile="bone-xray").set_random_state(seed)
        # rows are MONAI's first axis: x and y change places
        got = turned({"image": pixels.clone(), "box": box[:, [1, 0, 3, 2]].copy()})
        shown = np.asarray(got["box"])[:, [1, 0, 3, 2]]
        panels.append(panel(torch.as_tensor(np.asarray(got["image"])), shown, REAL))
    return row(panels)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    labels = given.folder / "boxes.json"
    if not labels.exists():
        labels = export(given.folder)
    medaug.run(
        given.folder / "images",
        given.folder / "out",
        profile=str(EXAMPLES / "demo.yaml"),
        annotations=labels,
        variants=1,
        seed=7,
        accept_identity="drawn by the prior",
    )
    torch.manual_seed(0)
    batch(given.folder, labels).save(given.out / "training-batch.png", optimize=True)
    classic(given.folder, labels).save(given.out / "training-classic.png", optimize=True)
