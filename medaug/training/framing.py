"""Where the head lies on pictures of head CT: table, head holder and hands are left outside as far as a box can.

All slices of a patient get one box, as they do in a run (`regions.area.around_domain`): a slice through the vertex
stays as small beside the others as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from medaug.storage.plain_files import open_plain

Box = tuple[int, int, int, int]  # left, top, right, bottom as Pillow counts them, in px
TISSUE = 30  # grey level of 255 above which something isn't air
THIN = 2  # px: what is no wider than twice this (a table's edge) is no head
GAP = 6  # px between parts of one head: air in sinuses and throat
BORDER = 20  # the box grows by a side of the picture over this, as the area of a run does


def frames(paths: Sequence[Path], groups: Sequence[str]) -> list[Box]:
    """The box of each picture: the same for all of a group.

    Args:
        paths: pictures, bright is high.
        groups: of the pictures.
    """
    boxes: dict[str, Box] = {}
    for path, group in zip(paths, groups, strict=True):
        with open_plain(path) as file, Image.open(file) as image:
            box = head_box(np.asarray(image.convert("L")))
        boxes[group] = _joined(boxes[group], box) if group in boxes else box
    return [boxes[group] for group in groups]


def head_box(image: npt.NDArray[np.uint8]) -> Box:
    """The box around the largest thing on a picture (H, W) of head CT, with a border; all of it where there is none."""
    rows, columns = image.shape
    tissue = ndimage.binary_opening(image > TISSUE, iterations=THIN)
    parts, count = ndimage.label(ndimage.binary_dilation(tissue, iterations=GAP))
    if not count:
        return 0, 0, columns, rows
    sizes = ndimage.sum_labels(tissue, parts, np.arange(1, count + 1))
    head = tissue & (parts == 1 + int(np.argmax(sizes)))
    i, j = (np.flatnonzero(head.any(axis=axis)) for axis in (1, 0))
    high, wide = rows // BORDER, columns // BORDER
    left, top = max(0, int(j[0]) - wide), max(0, int(i[0]) - high)
    return left, top, min(columns, int(j[-1]) + 1 + wide), min(rows, int(i[-1]) + 1 + high)


def _joined(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
