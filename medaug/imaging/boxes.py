"""Labelled boxes on the voxel grid: half-open, on voxel edges (see `geometry`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from medaug.imaging.geometry import Geometry, Shape


@dataclass(frozen=True, order=True)
class Box:
    """A labelled box: ``array[box.slices]`` is the lesion.

    Attributes:
        start: first voxel inside, (k, i, j).
        stop: first voxel outside, (k, i, j); greater than ``start`` on every axis.
        label: the class by name.
        id: the annotation's own identifier where it has one; never a person's.
    """

    start: Shape
    stop: Shape
    label: str
    id: str = ""

    def __post_init__(self) -> None:
        if any(low < 0 or low >= high for low, high in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"box {self.label!r}: expected 0 ≤ start < stop, got {self.start}…{self.stop}")

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index of an array (k, i, j)."""
        k, i, j = (slice(low, high) for low, high in zip(self.start, self.stop, strict=True))
        return k, i, j

    @property
    def shape(self) -> Shape:
        """Voxels along (k, i, j)."""
        k, i, j = (high - low for low, high in zip(self.start, self.stop, strict=True))
        return k, i, j

    def grown(self, margin: Shape, limit: Shape) -> Box:
        """The box with ``margin`` voxels added on both sides of each axis, cut at ``limit``."""
        k, i, j = (max(0, a - m) for a, m in zip(self.start, margin, strict=True))
        k_stop, i_stop, j_stop = (min(n, b + m) for b, m, n in zip(self.stop, margin, limit, strict=True))
        return replace(self, start=(k, i, j), stop=(k_stop, i_stop, j_stop))


def enclosing(
    low: Sequence[float], high: Sequence[float], limit: Shape, label: str, identifier: str = ""
) -> Box | None:
    """The smallest box on voxel edges that holds a continuous one.

    Rounds outward, so that no part of a lesion falls outside, and cuts at the image.

    Args:
        low: lower corner (k, i, j), in edge coordinates: voxel 0 reaches from 0.0 to 1.0.
        high: upper corner (k, i, j), likewise.
        limit: the image's shape.
        label: the class by name.
        identifier: the annotation's own identifier.

    Returns:
        The box, or None when nothing of it lies inside the image.
    """
    tolerance = 1e-6  # 10.0000001 from a division is an edge, not a tenth voxel
    start = [max(0, math.floor(a + tolerance)) for a in low]
    stop = [min(n, math.ceil(b - tolerance)) for b, n in zip(high, limit, strict=True)]
    if any(a >= b for a, b in zip(start, stop, strict=True)):
        return None
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), label, identifier)


def from_world(
    low: Sequence[float], high: Sequence[float], grid: Geometry, label: str, identifier: str = ""
) -> Box | None:
    """The voxel box that holds an axis-aligned world box, whatever the grid's orientation.

    All eight corners are mapped: under an oblique affine two are not enough.

    Args:
        low: lower corner (x, y, z) in LPS mm.
        high: upper corner (x, y, z) in LPS mm.
        grid: a grid in patient space.
        label: the class by name.
        identifier: the annotation's own identifier.
    """
    corners = grid.to_index(list(product(*zip(low, high, strict=True)))) + 0.5  # centres at integers → edges
    return enclosing(corners.min(axis=0).tolist(), corners.max(axis=0).tolist(), grid.shape, label, identifier)
