"""How an image, or its lesions with their rim, are moved: drawn within limits from a seed, so that no lesion is cut."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medaug.errors import RegionError, counted
from medaug.imaging.boxes import Box
from medaug.imaging.motion import PIXEL, STEP, Motion, Motions, lost, moved_boxes, positions
from medaug.imaging.moved import strips_of, trim_of
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Mask, Volume

TRIES = 32
SHRINK = 0.94  # of the limits from one try to the next: the last one is at a seventh of them
MOST_LOST = 0.02  # of the slice
CELLS = 4  # of the elastic displacement's grid, along each axis
STEEPEST = 0.45  # px a displacement may change by in a pixel: beyond 1 tissue would fold
EVERY = 8  # px: step of the grid on which that is looked at
ROOM = 4  # shifts: boxes that lie closer than so many of the greatest one move together
RISE = 1.5  # the falloff's steepest slope, in shares of its mean


@dataclass(frozen=True)
class MotionLimits:
    """How far things may move, either way.

    Attributes:
        what: ``image`` moves the whole slice, ``lesion`` each box with its rim, tissue around it giving way;
            ``surroundings`` moves the slice but for the boxes with their rim.
        rotation: degrees.
        scale: share by which lengths grow or shrink.
        shift: share of the slice's longer side, along each axis.
        elastic: likewise, of the control points of a smooth displacement.
    """

    what: Literal["image", "lesion", "surroundings"]
    rotation: float
    scale: float
    shift: float
    elastic: float

    def times(self, share: float) -> MotionLimits:
        """The same with limits that are a share of these."""
        return MotionLimits(
            self.what, self.rotation * share, self.scale * share, self.shift * share, self.elastic * share
        )


def draw_motions(
    limits: MotionLimits, grow: Callable[[Volume, Sequence[Box]], tuple[Box, ...]], volume: Volume,
    boxes: Sequence[Box], domain: Mask, seed: int,
) -> Motions:  # fmt: skip
    """Motions within limits that leave every box in its slice, and little anatomy to make up.

    A draw that would cut a box, fold tissue, or show more than `MOST_LOST` of the slice of anatomy that was never
    exposed, is drawn again, each time within somewhat smaller limits.

    Args:
        limits: of the profile.
        grow: a lesion's rim: the boxes with their margin.
        volume: a radiograph or a picture.
        boxes: the labels.
        domain: (1, rows, columns), where anatomy is.
        seed: of this variant.

    Raises:
        RegionError: no box, not one slice without patient coordinates, in colour, or no room to move.
    """
    check_planar(volume)
    rows, columns = volume.geometry.shape[1:]
    spread, (strips, trim) = generator(seed, "moved"), _borders(limits, volume)
    for tried in range(TRIES):
        now = limits.times(SHRINK**tried)
        grown = grow(volume, boxes)
        parts = _drawn(now, grown, (rows, columns), spread)
        motions = _held(now, Motions(parts, strips, trim=trim), grown) if parts else None
        if motions and _sound(motions, boxes, domain[0]):
            return motions
    raise RegionError(
        f"regions: {TRIES} motions were drawn, and each would cut a box, fold the tissue beside it, or show too much "
        "that was never exposed; use smaller limits, or a law that moves nothing",
        code="no-room",
    )


def _borders(limits: MotionLimits, volume: Volume) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """How the slice goes on beyond its borders, and what is cut off there first; nothing where the borders stay."""
    plane = volume.stored[0]
    trim = trim_of(plane) if limits.what == "image" else (0, 0, 0, 0)
    top, bottom, left, right = trim
    return strips_of(plane[top : plane.shape[0] - bottom, left : plane.shape[1] - right]), trim


def check_planar(volume: Volume) -> None:
    """Refuse what can't be moved: volumes, slices of them, colour.

    Raises:
        RegionError: not one slice without patient coordinates, or in colour.
    """
    if volume.geometry.shape[0] != 1 or volume.geometry.space == "patient":
        raise RegionError(
            f"regions: moving is for radiographs and pictures, found {counted(volume.geometry.shape[0], 'slice')} in "
            f"{volume.geometry.space} space, whose voxels would no longer lie where their headers say; use a law that "
            "moves nothing",
            code="not-planar",
        )
    if volume.colour is not None:
        raise RegionError("regions: coloured pixels can't be moved; use a law that moves nothing", code="colour")


def _sound(motions: Motions, boxes: Sequence[Box], domain: Mask) -> bool:
    rows, columns = domain.shape
    if _folds(motions, (rows, columns)) or _lost_anatomy(motions, domain) > MOST_LOST:
        return False
    return moved_boxes(boxes, motions, (rows, columns)) is not None


def _lost_anatomy(motions: Motions, domain: Mask) -> float:
    """The share of the slice that shows anatomy beyond the source's borders: that anatomy reaches them nearby."""
    rows, columns = (np.arange(EVERY // 2, n, EVERY, dtype=np.int64) for n in domain.shape)
    down, along = positions(motions, (domain.shape[0], domain.shape[1]), rows, columns)
    (top, bottom, left, right), (height, width) = motions.trim, domain.shape
    i = np.clip(down // STEP, top, height - bottom - 1)
    j = np.clip(along // STEP, left, width - right - 1)
    return float((lost(down, along, (height, width), motions.trim) & domain[i, j]).mean())


def _drawn(
    limits: MotionLimits, grown: Sequence[Box], shape: tuple[int, int], spread: np.random.Generator
) -> tuple[Motion, ...] | None:
    """One motion of the slice, or one for each group of boxes that lie close; None where these still clash."""
    if limits.what != "lesion":
        centre = ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
        return (_motion(limits, centre, shape, spread),)
    motions: list[Motion] = []
    room = math.ceil(ROOM * limits.shift * max(shape))
    for top, left, bottom, right in _apart([(*b.start[1:], *b.stop[1:]) for b in grown], room):
        centre = ((top + bottom - 1) / 2, (left + right - 1) / 2)
        motion = _motion(limits, centre, shape, spread)
        motions.append(_local(motion, (top, left, bottom, right), centre))
    return tuple(motions) if len(_apart([_span(motion) for motion in motions])) == len(motions) else None


def _motion(
    limits: MotionLimits, centre: tuple[float, float], shape: tuple[int, int], spread: np.random.Generator
) -> Motion:
    degrees, scale, down, along = spread.uniform(-1, 1, 4)
    longer = max(shape)
    made = Motion.about(
        centre,
        degrees=float(degrees * limits.rotation),
        scale=math.exp(float(scale) * math.log1p(limits.scale)),
        shift=(float(down) * limits.shift * longer, float(along) * limits.shift * longer),
    )
    points = spread.uniform(-1, 1, (CELLS + 3, CELLS + 3, 2)) * limits.elastic * longer * PIXEL
    bend = tuple(tuple((round(float(i)), round(float(j))) for i, j in row) for row in points) if limits.elastic else ()
    return Motion(made.matrix, made.shift, bend)


def _held(limits: MotionLimits, motions: Motions, grown: Sequence[Box]) -> Motions:
    """The motions with the boxes and their rim held, where only what surrounds them is to move."""
    if limits.what != "surroundings":
        return motions
    held = tuple((box.start[1], box.stop[1], box.start[2], box.stop[2]) for box in grown)
    most = max(_most(motion, held) for motion in motions.parts)
    return replace(motions, held=held, yielding=max(8, math.ceil(RISE * most / STEEPEST)))


def _most(motion: Motion, areas: Sequence[tuple[int, int, int, int]]) -> float:
    """How far the corners of areas would go, in px, at most, the bend's whole included."""
    corners = [(float(i), float(j)) for top, bottom, left, right in areas for i in (top, bottom) for j in (left, right)]
    return max(math.hypot(*motion.shifted_at(corner)) for corner in corners) + _bend(motion)


def _bend(motion: Motion) -> float:
    return max((abs(x) for row in motion.elastic for point in row for x in point), default=0) / PIXEL


def _local(motion: Motion, rim: tuple[int, int, int, int], centre: tuple[float, float]) -> Motion:
    """The motion of a lesion with its rim: whole where the rim comes to lie, falling off around it."""
    top, left, bottom, right = rim
    down, along = motion.shifted_at(centre)
    turn, size = math.radians(motion.degrees), motion.scale
    height, width = (bottom - top) / 2, (right - left) / 2
    tall = size * (abs(math.cos(turn)) * height + abs(math.sin(turn)) * width)
    wide = size * (abs(math.sin(turn)) * height + abs(math.cos(turn)) * width)
    i, j = centre[0] + down + 0.5, centre[1] + along + 0.5  # in edges, as boxes are
    area = (math.floor(i - tall), math.ceil(i + tall), math.floor(j - wide), math.ceil(j + wide))
    most = math.hypot(down, along) + math.hypot(tall, wide) * (abs(turn) + abs(size - 1)) + 2 * _bend(motion)
    falloff = max(8, math.ceil(1.5 * RISE * most / STEEPEST))
    return Motion(motion.matrix, motion.shift, motion.elastic, area, falloff)


def _span(motion: Motion) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of all that a local motion moves."""
    assert motion.area is not None
    top, bottom, left, right = motion.area
    return top - motion.falloff, left - motion.falloff, bottom + motion.falloff, right + motion.falloff


def _folds(motions: Motions, shape: tuple[int, int]) -> bool:
    """Whether displacements change too fast anywhere for tissue to give way smoothly."""
    rows, columns = (np.arange(0, n, EVERY, dtype=np.int64) for n in shape)
    for at, own, beside in zip(positions(motions, shape, rows, columns), (rows[:, None], columns), (0, 1), strict=True):
        change = [np.abs(np.diff(at - own * STEP, axis=axis)) for axis in (beside, 1 - beside)]
        if max(int(one.max(initial=0)) for one in change) > STEEPEST * EVERY * STEP:
            return True
    return False


def _apart(spans: Sequence[tuple[int, int, int, int]], room: int = 0) -> list[tuple[int, int, int, int]]:
    """Rectangles (top, left, bottom, right), those less than ``room`` px from each other joined, until none are."""
    areas: list[tuple[int, int, int, int]] = []
    for span in spans:
        now = span
        while touching := [one for one in areas if _near(one, now, room)]:
            areas = [one for one in areas if one not in touching]
            corners = [*touching, now]
            now = (
                min(c[0] for c in corners), min(c[1] for c in corners),
                max(c[2] for c in corners), max(c[3] for c in corners),
            )  # fmt: skip
        areas.append(now)
    return areas


def _near(one: tuple[int, int, int, int], other: tuple[int, int, int, int], room: int) -> bool:
    """Whether two rectangles overlap, or lie less than ``room`` px apart along both axes."""
    along_rows = one[0] < other[2] + room and other[0] < one[2] + room
    return along_rows and one[1] < other[3] + room and other[1] < one[3] + room
