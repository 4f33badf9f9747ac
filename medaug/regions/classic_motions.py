"""How a classic copy lies: a flip, a turn and a size drawn within limits from a seed, so that no label is cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.motion import Motion, Motions, moved_boxes
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Volume
from medaug.regions.domains.markers import without_markers
from medaug.regions.domains.morphology import ShownRadiograph
from medaug.regions.motions import SHRINK, TRIES, check_planar

SIDES = frozenset({"left", "right", "l", "r", "lt", "rt", "sinister", "dexter", "sin", "dex"})  # words of a label


@dataclass(frozen=True)
class CopyLimits:
    """How far a copy may lie from its source, either way.

    Attributes:
        flips: (upside down, left to right): each half of the times, where no side is stated or shown.
        rotate: degrees.
        scale: share by which lengths grow or shrink.
        look: for markers and text; False where somebody states that there are none.
    """

    flips: tuple[bool, bool]
    rotate: float
    scale: float
    look: bool = True


def draw_copy(limits: CopyLimits, volume: Volume, boxes: Sequence[Box], seed: int) -> Motions:
    """One motion about the middle of the slice that leaves every box in it; beyond its borders it is dark.

    A draw that would cut a box by more than a pixel, or that moves nothing, is drawn again, each time within a somewhat
    smaller turn and size.

    Args:
        limits: of the profile.
        volume: a radiograph or a picture.
        boxes: the labels; may be none.
        seed: of this copy.

    Raises:
        RegionError: not one slice without patient coordinates, in colour, or nothing that may be done to it.
    """
    check_planar(volume)
    (_, rows, columns), (_, down, along) = volume.geometry.shape, volume.geometry.spacing
    spread, unflipped = generator(seed, "classic"), _unflipped(limits, volume, boxes)
    allowed = (False, False) if unflipped else limits.flips
    for tried in range(TRIES):
        tossed, (turn, size) = spread.random(2) < 0.5, spread.uniform(-1, 1, 2) * SHRINK**tried
        part = Motion.about(
            ((rows - 1) / 2, (columns - 1) / 2),
            degrees=float(turn * limits.rotate),
            scale=1 + float(size * limits.scale),
            flips=(bool(tossed[0]) and allowed[0], bool(tossed[1]) and allowed[1]),
            aspect=down / along,
        )
        mirrored = (rows, rows, columns, columns)
        motions = Motions((part,), mirrored, beyond="greatest" if volume.inverted else "least")
        if any(part.matrix) and moved_boxes(boxes, motions, (rows, columns)) is not None:
            return motions
    raise RegionError(
        f"regions: {TRIES} classic copies were drawn, and each would cut a box or be the image itself; {unflipped}use "
        "smaller limits of classic, or allow a turn (rotate) or another size (scale)",
        code="no-room",
    )


def _unflipped(limits: CopyLimits, volume: Volume, boxes: Sequence[Box]) -> str:
    """Why a flip would say something untrue, as part of a sentence; "" where it wouldn't, or none is asked for."""
    if not any(limits.flips):
        return ""
    if volume.source.format == "dicom":
        return "DICOM is never flipped, since PatientOrientation and laterality would be untrue of the copy; "
    if any(_says_a_side(box.label) for box in boxes):
        return "it isn't flipped, since a label names a side; "
    if limits.look and _marked(volume):
        return "it isn't flipped, since a small white thing may mark a side (markers: none, where you looked); "
    return ""


def _says_a_side(label: str) -> bool:
    return not SIDES.isdisjoint(re.split(r"[^a-z]+", label.lower()))


def _marked(volume: Volume) -> bool:
    """Whether a marker or text stands in the slice: a mirrored letter is one that nobody writes."""
    shown = np.ascontiguousarray(volume.stored[0], dtype=np.float32)
    return not without_markers(ShownRadiograph(shown)).all()
