"""Boxes between MONAI's conventions and medaug's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.data.box_utils import convert_box_mode
from monai.utils import convert_to_numpy

from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Shape

Float64 = npt.NDArray[np.float64]
STANDARD = {2: "xyxy", 3: "xyzxyz"}
SLACK = 1.0  # px by which a box may reach beyond one that was kept: labels are rounded outward


def standard_boxes(boxes: Any, box_mode: str | None, axes: int) -> Float64:
    """Boxes as (n, 2 · axes): low corner then high, in voxels.

    Args:
        boxes: (n, 2 · axes) numbers in MONAI's ``box_mode``, as a list, an array or a tensor.
        box_mode: one of MONAI's (``xyxy``, ``xywh``, ``cccwhd``, …); None for the standard one.
        axes: of the image, 2 or 3.

    Raises:
        AnnotationError: another number of numbers.
    """
    given = np.asarray(convert_to_numpy(boxes), dtype=np.float64).reshape(-1, np.shape(boxes)[-1] if len(boxes) else 4)
    if not len(given):
        return np.zeros((0, 2 * axes))
    if given.shape[1] != 2 * axes:
        raise AnnotationError(f"boxes: expected {2 * axes} numbers each for {axes} axes, found {given.shape[1]}")
    standard: Float64 = convert_box_mode(given, src_mode=box_mode or STANDARD[axes], dst_mode=STANDARD[axes])
    return standard


def refuse_uncovered(boxes: Float64, kept: Sequence[Sequence[float]]) -> None:
    """Refuse boxes that lie in none of those that a variant kept: what they mark was repainted.

    Raises:
        AnnotationError: with how many.
    """
    axes = boxes.shape[1] // 2
    known = np.array(kept, dtype=np.float64).reshape(-1, 2 * axes)
    low = boxes[:, None, :axes] >= known[None, :, :axes] - SLACK
    high = boxes[:, None, axes:] <= known[None, :, axes:] + SLACK
    covered = np.any(low.all(axis=2) & high.all(axis=2), axis=1)
    if not covered.all():
        raise AnnotationError(
            f"RandVariantd: {int((~covered).sum())} of an item's {len(boxes)} boxes lie in none that the run kept, so "
            "a variant doesn't show what they mark; give the boxes that the run was given, in voxels of the file, and "
            "put RandVariantd before transforms that move them"
        )


def medaug_boxes(boxes: Float64, shape: Shape, labels: Sequence[object]) -> tuple[Box, ...]:
    """Boxes along MONAI's axes [column, row(, slice)] as boxes along (slice, row, column), rounded outward.

    Raises:
        AnnotationError: one lies outside the image.
    """
    axes = boxes.shape[1] // 2
    placed = []
    for numbers, label in zip(boxes.tolist(), labels, strict=True):
        low, high = numbers[:axes][::-1], numbers[axes:][::-1]
        flat = axes == 2
        box = enclosing([*[0.0] * flat, *low], [*[1.0] * flat, *high], shape, str(label))
        if not isinstance(box, Box):
            raise AnnotationError("RandPosteriorSampled: a box lies outside of its image, so it can't be kept")
        placed.append(box)
    return tuple(placed)
