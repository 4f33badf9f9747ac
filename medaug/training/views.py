"""Further views of a training image: turned, scaled, mirrored, in a narrower window.

A pool of slices has hundreds of images of a few dozen patients. The views are made once, before the latents, so a step
of training costs what it did.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from medaug.imaging.seeds import generator
from medaug.training.recipe import AugmentRecipe

UInt8 = npt.NDArray[np.uint8]


def altered(images: UInt8, names: Sequence[str], seed: int, plan: AugmentRecipe, view: int) -> UInt8:
    """One further view of each image.

    Args:
        images: (N, size, size), bright is high.
        names: of the images; what happens to one hangs on its name, not on its place.
        seed: the recipe's.
        plan: how much.
        view: which one.

    Returns:
        (N, size, size); what comes from beyond the canvas is black.
    """
    made = [_altered(image, name, seed, plan, view) for image, name in zip(images, names, strict=True)]
    return np.stack(made)


def _altered(image: UInt8, name: str, seed: int, plan: AugmentRecipe, view: int) -> UInt8:
    draw = generator(seed, "view", name, view)
    angle, scale = draw.uniform(-plan.rotation, plan.rotation), 1 + draw.uniform(-plan.scale, plan.scale)
    low, high = draw.uniform(0, plan.window, 2) * 255
    mirrored = image[:, ::-1] if draw.integers(2) else image
    size = image.shape[1], image.shape[0]
    turned = Image.fromarray(np.ascontiguousarray(mirrored)).transform(
        size, Image.Transform.AFFINE, _about_the_centre(size, angle, scale), Image.Resampling.BICUBIC
    )
    # Only inwards: what was clipped at the ends of the stored window isn't known.
    values = (np.asarray(turned).astype(np.float32) - low) * (255 / (255 - low - high))
    return np.asarray(np.rint(values.clip(0, 255)).astype(np.uint8))


def _about_the_centre(size: tuple[int, int], angle: float, scale: float) -> tuple[float, ...]:
    """Pillow's six numbers: where in the old image (x, y) of the new one lies. ``angle`` in degrees."""
    x, y = size[0] / 2, size[1] / 2
    cosine, sine = math.cos(math.radians(angle)) / scale, math.sin(math.radians(angle)) / scale
    return cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y
