"""Several exposures on one plate, and the bright bar that a shutter leaves between them.

Each exposure has its own air, so each is looked at by itself. A bar is straight on both sides, reaches through the
frame and lies in the dark; a bone or a nail lies in soft tissue. A rod beside the leg, as an external fixator has,
counts as a bar.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Float32, Mask
from medaug.regions.domains.morphology import labelled, runs

BAR = 0.70  # brightness
THICK = 0.15  # of the frame across; what is thicker is a shutter at its end, or a trunk
LONG = 0.50  # of the frame along
STRAIGHT = 1.5  # px, median distance of an edge from a line
SLANT = 0.20  # px across per px along
DARK, BESIDE = 0.40, 6  # both sides, at this many px from the bar
SIDED = 0.70  # share of the bar's length where they are dark


def exposures(x: Float32) -> list[Mask]:
    """The parts of a frame between bars; all of it where there is no bar.

    Args:
        x: (rows, columns) from 0 to 1.
    """
    upright = _bar(x)
    lying = _bar(x.T) if upright is None else None
    if upright is not None:
        return _sides(*upright, x.shape)
    if lying is not None:
        return [part.T for part in _sides(*lying, x.T.shape)]
    return [np.ones(x.shape, dtype=np.bool_)]


def _sides(left: npt.NDArray[np.floating], right: npt.NDArray[np.floating], shape: tuple[int, ...]) -> list[Mask]:
    """What lies left and right of a bar whose edges' column is given for every row."""
    at = np.arange(shape[1])[None]
    return [part for part in (at < left[:, None], at > right[:, None]) if part.any()]


def _bar(x: Float32) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None:
    """Columns of the edges of the longest upright bar, for every row of the frame."""
    from scipy import ndimage

    rows, columns = x.shape
    bright = x > BAR
    labels, _ = labelled(bright & ~runs(bright, max(2, int(THICK * columns))))
    best = None
    longest = LONG * rows
    for n, spans in enumerate(ndimage.find_objects(labels), 1):
        if spans[0].stop - spans[0].start > longest:
            edges = _edges(x, labels[spans[0]] == n, spans[0].start)
            if edges is not None:
                best, longest = edges, spans[0].stop - spans[0].start
    return best


def _edges(x: Float32, thing: Mask, start: int) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None:
    """Both edges as straight lines, None unless they are straight, steep, and dark beyond."""
    at = np.arange(start, start + len(thing))
    first, last = thing.argmax(axis=1), thing.shape[1] - 1 - thing[:, ::-1].argmax(axis=1)
    lines = []
    for edge in (first, last):
        slope, offset = np.polyfit(at, edge, 1)
        if abs(slope) > SLANT or np.median(np.abs(edge - slope * at - offset)) > STRAIGHT:
            return None
        lines.append(slope * np.arange(len(x)) + offset)
    outer = first - BESIDE, last + BESIDE
    if outer[0].min() < 0 or outer[1].max() >= x.shape[1]:
        return None  # at the frame's side: a shutter like any other
    if ((x[at, outer[0]] < DARK) & (x[at, outer[1]] < DARK)).mean() < SIDED:
        return None
    middle = (lines[0] + lines[1]) / 2  # a tapering bar's edges cross
    return np.minimum(lines[0], middle), np.maximum(lines[1], middle)
