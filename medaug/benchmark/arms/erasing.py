"""Random erasing: rectangles of noise, which spare the boxes.

Source: Zhong et al., Random Erasing Data Augmentation (AAAI 2020), section 3.3; there an area of 2 to 40 % and sides of
up to 10:3. Boxes are spared because a label without its lesion would be false.
"""

from __future__ import annotations

import numpy as np

from medaug.benchmark.arms.arm import Material, drawn_for
from medaug.benchmark.images.dataset import Picture

AREA = (0.02, 0.4)
ASPECT = (0.3, 1 / 0.3)


def erasing(material: Material) -> list[Picture]:
    """A copy of the real image with one rectangle erased in each turn."""
    return [erased(picture, drawn_for("erasing", picture, number)) for picture, number in material.turns]


def erased(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture under one draw."""
    side = len(picture.pixels)
    area, aspect = rng.uniform(*AREA) * side**2, np.exp(rng.uniform(*np.log(ASPECT)))
    rows, columns = (min(side, max(1, round(n))) for n in (np.sqrt(area * aspect), np.sqrt(area / aspect)))
    top, left = rng.integers(side - rows + 1), rng.integers(side - columns + 1)
    pixels = picture.pixels.copy()
    pixels[top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
    for x0, y0, x1, y1 in picture.boxes.corners:
        kept = slice(int(y0), int(np.ceil(y1))), slice(int(x0), int(np.ceil(x1)))
        pixels[kept] = picture.pixels[kept]
    return Picture(picture.source, pixels, picture.boxes)
