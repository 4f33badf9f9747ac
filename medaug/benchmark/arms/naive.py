"""Flips, rotations by right angles, scale and intensity, by MONAI's dictionary transforms for boxes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from medaug.benchmark.arms.arm import Material, drawn_for
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture

LEAST = 2.0  # px of a side that must be left of a box


def naive(material: Material) -> list[Picture]:
    """A transformed copy of the real image in each turn."""
    return [transformed(picture, drawn_for("naive", picture, number)) for picture, number in material.turns]


def transformed(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture under one draw; boxes follow, and go where nothing is left of them."""
    transform = _transform()
    transform.set_random_state(seed=int(rng.integers(2**31)))
    rows_first = picture.boxes.corners[:, [1, 0, 3, 2]].astype(np.float32)
    done = transform({"image": picture.pixels[None].astype(np.float32) / 255, "box": rows_first})
    pixels = np.clip(np.rint(np.asarray(done["image"])[0] * 255), 0, 255).astype(np.uint8)
    side = len(pixels)
    corners = np.asarray(done["box"], dtype=np.float64)[:, [1, 0, 3, 2]].clip(0, side)
    kept = (corners[:, 2:] - corners[:, :2]).min(axis=1, initial=np.inf) >= LEAST
    return Picture(picture.source, pixels, Boxes.labelled(corners[kept], picture.boxes.classes[kept]))


@cache
def _transform() -> Any:
    """Of images in [0, 1] with boxes (row, column, row, column)."""
    from monai.apps.detection.transforms.dictionary import RandFlipBoxd, RandRotateBox90d, RandZoomBoxd
    from monai.transforms import Compose, RandAdjustContrastd, RandGaussianNoised, RandScaleIntensityd

    keys: dict[str, Any] = {"image_keys": ["image"], "box_keys": ["box"], "box_ref_image_keys": ["image"]}
    return Compose(
        [
            *(RandFlipBoxd(**keys, prob=0.5, spatial_axis=axis) for axis in (0, 1)),
            RandRotateBox90d(**keys, prob=0.5, max_k=3),
            RandZoomBoxd(**keys, prob=0.5, min_zoom=0.8, max_zoom=1.2, mode="bilinear", padding_mode="constant"),
            RandScaleIntensityd(keys=["image"], factors=0.2, prob=0.5),
            RandAdjustContrastd(keys=["image"], gamma=(0.7, 1.4), prob=0.5),
            RandGaussianNoised(keys=["image"], std=0.02, prob=0.3),
        ]
    )
