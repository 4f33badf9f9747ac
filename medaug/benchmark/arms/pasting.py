"""Copy-paste of labelled boxes: a lesion of another training image is put where the image shows something.

Source: Dwibedi et al., Cut, Paste and Learn (ICCV 2017), with their blended edge; Ghiasi et al., Simple Copy-Paste
(CVPR 2021). The donor is of the same training set, so nothing of validation or test comes in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medaug.benchmark.arms.arm import Material, drawn_for
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture, UInt8

TRIES = 20
DARK = 24  # grey level under which an image shows nothing
RING = 4  # px around a lesion whose level it keeps its distance to
EDGE = 3.0  # px over which a paste is blended in


def pasting(material: Material) -> list[Picture]:
    """A copy of the real image with one lesion pasted in each turn."""
    return [pasted(picture, material.real, drawn_for("pasting", picture, number)) for picture, number in material.turns]


def pasted(picture: Picture, donors: Sequence[Picture], rng: np.random.Generator) -> Picture:
    """The picture with a donor's lesion at a place that is no box and not dark; as it was where no such is found."""
    donor = donors[int(rng.integers(len(donors)))]
    n = int(rng.integers(len(donor.boxes.corners)))
    x0, y0, x1, y1 = (int(v) for v in np.rint(donor.boxes.corners[n]))
    patch = donor.pixels[y0:y1, x0:x1].astype(np.float64) - _level_around(donor.pixels, (y0, y1, x0, x1))
    side, (rows, columns) = len(picture.pixels), patch.shape
    for _ in range(TRIES):
        top, left = rng.integers(side - rows + 1), rng.integers(side - columns + 1)
        place = np.array([left, top, left + columns, top + rows], dtype=np.float64)
        under = picture.pixels[top : top + rows, left : left + columns]
        if min(patch.shape) and np.median(under) > DARK and not _touches(place, picture.boxes.corners):
            return _with(picture, (top, left), patch, place, int(donor.boxes.classes[n]))
    return picture


def _level_around(pixels: UInt8, box: tuple[int, int, int, int]) -> float:
    """Median of what surrounds a box (first row, last, first column, last)."""
    top, bottom, left, right = box
    ring = np.zeros(pixels.shape, dtype=np.bool_)
    ring[max(0, top - RING) : bottom + RING, max(0, left - RING) : right + RING] = True
    ring[top:bottom, left:right] = False
    return float(np.median(pixels[ring])) if ring.any() else 0.0


def _touches(place: npt.NDArray[np.float64], corners: npt.NDArray[np.float64]) -> bool:
    apart = (corners[:, :2] >= place[2:]) | (corners[:, 2:] <= place[:2])
    return bool((~apart.any(axis=1)).any())


def _with(
    picture: Picture, at: tuple[int, int], patch: npt.NDArray[np.float64], place: npt.NDArray[np.float64], category: int
) -> Picture:
    """Brought to the level of what was there, and blended over its edge."""
    (top, left), (rows, columns) = at, patch.shape
    pixels = picture.pixels.astype(np.float64)
    under = pixels[top : top + rows, left : left + columns]
    inward = [np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1) / EDGE for n in (rows, columns)]
    weight = np.minimum(np.minimum(inward[0][:, None], inward[1][None]), 1)
    under += weight * (patch + np.median(under) - under)
    boxes = picture.boxes
    corners, classes = np.vstack([boxes.corners, place]), np.append(boxes.classes, category)
    return Picture(picture.source, np.clip(np.rint(pixels), 0, 255).astype(np.uint8), Boxes.labelled(corners, classes))
