"""Shapes in one slice or image: connected parts, runs, reductions. Masks are (rows, columns) if not stated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from medaug.imaging.resample import block_means
from medaug.imaging.volume import Float32, Mask

T = TypeVar("T")
SPARSE = 0.1  # share of a mask below which its own pixels are looked at one by one


def reduced(image: npt.NDArray[np.generic], longest: int) -> tuple[Float32, int]:
    """Means over factor × factor px, so that no side is over ``longest``; the last row and column fill up."""
    factor = max(1, -(-max(image.shape) // longest))
    return block_means(image, factor) if factor > 1 else image.astype(np.float32), factor


@dataclass(frozen=True, eq=False)
class ShownRadiograph:
    """A radiograph as shown, and what several parts of a domain find in it, each found once.

    Attributes:
        brightness: (rows, columns), bright is high, in any units.
    """

    brightness: Float32
    _found: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns)."""
        return self.brightness.shape

    def once(self, key: object, find: Callable[[], T]) -> T:
        """What ``find`` gives, or what it gave for this key; not to be changed."""
        if key not in self._found:
            self._found[key] = find()
        return cast("T", self._found[key])

    def reduced(self, longest: int) -> tuple[Float32, int]:
        """`reduced` of the frame."""
        return self.once(longest, lambda: reduced(self.brightness, longest))

    def normalised(self, longest: int) -> Float32:
        """All of it `reduced`, and `normalised`."""
        small, _ = self.reduced(longest)
        return self.once(("normalised", longest), lambda: normalised(small))


def enlarged(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """The way back of `reduced`, by nearest neighbour."""
    wide = np.repeat(mask, factor, axis=1)[:, : shape[1]]
    return np.repeat(wide, factor, axis=0)[: shape[0]]  # whole rows last: a third of the time


def normalised(image: Float32, where: Mask | None = None) -> Float32:
    """The image from 0 to 1, cut at the 0.5th and 99.5th percentile of it, or of a part of it."""
    low, high = np.percentile(image if where is None else image[where], [0.5, 99.5])
    return np.asarray(np.clip((image - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def labelled(mask: Mask) -> tuple[npt.NDArray[np.int32], int]:
    """4-connected parts numbered from 1, and how many there are."""
    from scipy import ndimage

    return cast("tuple[npt.NDArray[np.int32], int]", ndimage.label(mask))


def large_parts(mask: Mask, least: float) -> Mask:
    """The connected parts of ``mask`` of at least ``least`` px."""
    labels, count = labelled(mask)
    area = np.count_nonzero(mask)
    if count <= 1:
        return mask & (area >= least)
    if area > SPARSE * mask.size:
        keep = np.bincount(labels.ravel()) >= least
        keep[0] = False
        return np.take(keep, labels)
    at = np.flatnonzero(mask)
    parts = labels.ravel()[at]
    large = np.zeros_like(mask)
    large.ravel()[at] = (np.bincount(parts) >= least)[parts]
    return large


def touching(mask: Mask, seeds: Mask) -> Mask:
    """The connected parts of ``mask`` that hold a seed."""
    labels, count = labelled(mask)
    keep = np.zeros(count + 1, dtype=np.bool_)
    keep[labels[seeds]] = True
    keep[0] = False
    return np.asarray(keep[labels])


def runs(mask: Mask, length: int) -> Mask:
    """Pixels in unbroken runs of at least ``length`` along their row: an opening by a line."""
    edged = np.pad(mask, [(0, 0), (1, 1)]).astype(np.int8)  # no run goes on in the next row
    steps = np.diff(edged.ravel(), append=np.int8(0))
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    short = stops - starts < length
    steps[starts[short]] = steps[stops[short]] = 0
    inside: npt.NDArray[np.int8] = np.cumsum(steps, dtype=np.int8)
    return inside.reshape(edged.shape)[:, :-2].astype(np.bool_)


def ends(shape: tuple[int, ...], depth: int) -> Mask:
    """The first and the last ``depth`` rows."""
    rows = np.zeros(shape, dtype=np.bool_)
    rows[:depth] = True
    rows[max(0, shape[0] - depth) :] = True
    return rows


def least_around(image: Float32, side: int) -> Float32:
    """The least of the side × side px around each pixel, as far as they are there; ``side`` is odd."""
    return _extreme(_extreme(image, side, 0, np.minimum, np.inf), side, 1, np.minimum, np.inf)


def greatest_around(image: Float32, side: int) -> Float32:
    """Likewise the greatest."""
    return _extreme(_extreme(image, side, 0, np.maximum, -np.inf), side, 1, np.maximum, -np.inf)


def _extreme(image: Float32, side: int, axis: int, of_two: Callable[..., Float32], beyond: float) -> Float32:
    """Along an axis, of windows that double in length: a seventh of the time of a filter that goes pixel by pixel."""
    edges = [(0, 0), (0, 0)]
    edges[axis] = side // 2, side // 2
    found, reach = np.pad(image, edges, constant_values=beyond), 1

    def lines(first: int, last: int) -> Float32:
        return found[first:last] if axis == 0 else found[:, first:last]

    while 2 * reach <= side:
        found, reach = of_two(lines(0, found.shape[axis] - reach), lines(reach, found.shape[axis])), 2 * reach
    return of_two(lines(0, image.shape[axis]), lines(side - reach, side - reach + image.shape[axis]))


def grown(mask: Mask, radius: int) -> Mask:
    """``mask`` (k, i, j) grown in the plane of its slices by ``radius`` steps to the 8 neighbours."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask, np.ones((1, 3, 3)), iterations=radius))
