"""The laws that split a grid into protected, observed and free voxels.

A law is a pure function of (domain, boxes, seed, sampling), its parameters bound: the order of the boxes, other draws
and global state don't matter. Boxes arrive with their margin already added, and the law runs on whatever grid the
domain has, usually the prior's.

Polarity is in the names: ``domain`` is True where a voxel may change, ``protected`` where it is kept, ``observed``
where it is seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry, Shape
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Float32, Mask, Volume
from medaug.regions.regions import Regions, Sampling

ISOTROPIC = (1.0, 1.0, 1.0)
KEPT = 2**20  # voxels of a prior's grid whose distances are kept for the next variant


def gaussian_outside(
    domain: Mask, boxes: Sequence[Box], seed: int, sampling: Sampling = ISOTROPIC, *, sigma: float = 0.32
) -> Regions:
    """The paper's law: the boxes are kept, and the observed "dust" thins out with the distance from them.

    d(p) is the Euclidean distance to the nearest voxel of the boxes, divided by its maximum over the grid;
    r(p) ~ N(0, sigma) independently per voxel; p is observed iff d(p) < r(p). So P(observed | d) = 1 - Phi(d / sigma):
    0.50 beside a box, 0.27 at d = 0.2, 0.16 at 0.32, 0.006 at 0.8. Voxels outside the domain are protected, but no
    distance is taken from them: they are background, not lesion.

    Args:
        domain: (k, i, j), True where a voxel may change.
        boxes: the lesions, margin included.
        seed: of this draw; the same seed gives the same voxels on the same shape.
        sampling: voxel step along (k, i, j), in any unit; only ratios matter.
        sigma: standard deviation of r, in shares of the greatest distance.

    Raises:
        RegionError: no box, a box off the grid, nothing free, or nothing observed.

    Source: Prairie et al., "Data Augmentation as an Inverse Problem", mask generation.
    """
    if not sigma > 0 or not min(sampling) > 0:
        raise ValueError(f"expected sigma and sampling above 0, got {sigma} and {sampling}")
    inside = _inside(domain.shape, boxes)
    small = domain.size <= KEPT
    distance = _last_distance(domain.shape, tuple(boxes), tuple(sampling)) if small else _distance(inside, sampling)
    draw = generator(seed, "gaussian-outside").normal(0.0, sigma, size=domain.shape)
    protected = inside | ~domain
    return _regions(protected, protected | (distance < draw))


def outside(domain: Mask, boxes: Sequence[Box], *_: object) -> Regions:
    """All of the domain outside the boxes is free, and nothing there is observed. No seed plays a part.

    Raises:
        RegionError: no box, a box off the grid, nothing free, or nothing observed.
    """
    protected = protect_boxes(domain, boxes)
    return _regions(protected, protected.copy())


def inside(domain: Mask, boxes: Sequence[Box], *_: object) -> Regions:
    """The boxes themselves are free, all else is protected: the lesion changes, its label stays.

    No seed plays a part.

    Raises:
        RegionError: no box, a box off the grid, nothing free, or nothing observed.
    """
    protected = protect_outside(domain, boxes)
    return _regions(protected, protected.copy())


def random_outside(domain: Mask, boxes: Sequence[Box], seed: int, *_: object, rate: float) -> Regions:
    """Outside the boxes every voxel is observed with the same probability.

    Args:
        domain: (k, i, j), True where a voxel may change.
        boxes: the lesions, margin included.
        seed: of this draw.
        rate: probability that a free voxel is observed, in [0, 1].

    Raises:
        RegionError: no box, a box off the grid, nothing free, or nothing observed.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate: expected a probability, got {rate}")
    protected = protect_boxes(domain, boxes)
    draw = generator(seed, "random-outside").random(size=domain.shape)
    return _regions(protected, protected | (draw < rate))


def dust_alone(domain: Mask, seed: int, *, rate: float) -> Regions:
    """Regions of an image without labels: all of the domain may change, each voxel is observed with one probability.

    Raises:
        RegionError: nothing free, or nothing observed.
    """
    draw = generator(seed, "dust-alone").random(size=domain.shape)
    return _regions(~domain, ~domain | (draw < rate))


def mean_rate(sigma: float) -> float:
    """What `gaussian_outside` observes on the mean where distances are spread evenly from 0 to 1; 0.128 at 0.32.

    The integral of 1 - Phi(d / sigma) over d from 0 to 1.
    """
    u = 1 / sigma
    beyond, density = math.erfc(u / math.sqrt(2)) / 2, math.exp(-u * u / 2)
    return beyond + sigma * (1 - density) / math.sqrt(2 * math.pi)


def protect_boxes(domain: Mask, boxes: Sequence[Box]) -> Mask:
    """What laws protect that keep the boxes (`components.keeps_boxes`): the boxes and all that is not domain.

    Raises:
        RegionError: no box, or a box off the grid.
    """
    return np.asarray(_inside(domain.shape, boxes) | ~domain)


def protect_outside(domain: Mask, boxes: Sequence[Box]) -> Mask:
    """What laws protect that regenerate the boxes: all but the domain inside them.

    Raises:
        RegionError: no box, or a box off the grid.
    """
    return np.asarray(~(_inside(domain.shape, boxes) & domain))


def margin_voxels(margin: float, unit: Literal["relative", "px", "mm"], geometry: Geometry, size: int) -> Shape:
    """How many voxels (k, i, j) a margin is on the native grid, rounded up so that protection never falls short.

    ``relative`` is a share of the slice's longer side. ``px`` counts pixels of a prior whose square of ``size`` px
    shows the whole slice; where only a part is shown, its pixels are smaller and the margin covers more of them. Both
    leave k at 0: a slice is solved by itself. ``mm`` grows all three axes, k only where slices have a distance.

    Args:
        margin: at least 0.
        unit: of ``margin``.
        geometry: the native grid.
        size: side of the prior's square in px.

    Raises:
        RegionError: mm on a grid without spacing.
    """
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin: expected a finite number of at least 0, got {margin}")
    steps = geometry.spacing
    if unit == "mm":
        if geometry.space == "pixel":
            raise RegionError(
                "margin: it is given in mm, but the image states no pixel spacing; use relative or px",
                code="no-spacing",
            )
        return _up(margin, steps[0]), _up(margin, steps[1]), _up(margin, steps[2])
    longer = max(n * step for n, step in zip(geometry.shape[1:], steps[1:], strict=True))
    length = longer * (margin if unit == "relative" else margin / size)
    return 0, _up(length, steps[1]), _up(length, steps[2])


def with_margin(
    margin: float, unit: Literal["relative", "px", "mm"], size: int, volume: Volume, boxes: Sequence[Box]
) -> tuple[Box, ...]:
    """The boxes grown by a margin (see `margin_voxels`), cut at the grid's ends.

    Raises:
        RegionError: mm on a grid without spacing.
    """
    steps = margin_voxels(margin, unit, volume.geometry, size)
    return tuple(box.grown(steps, volume.geometry.shape) for box in boxes)


def _up(length: float, step: float) -> int:
    """Voxels that cover ``length``; 0 along an axis without extent. 3.0000001 from a division is three, not four."""
    return math.ceil(length / step - 1e-6) if step > 0 else 0


def _inside(shape: tuple[int, ...], boxes: Sequence[Box]) -> Mask:
    if not boxes:
        raise RegionError(
            "regions: the image has no box, so there is no lesion to keep; give its boxes", code="no-boxes"
        )
    inside = np.zeros(shape, dtype=np.bool_)
    for box in boxes:
        if any(stop > n for stop, n in zip(box.stop, shape, strict=True)):
            raise RegionError(
                f"regions: box {box.start}…{box.stop} reaches outside the grid {shape}", code="box-outside"
            )
        inside[box.slices] = True
    return inside


@lru_cache(maxsize=2)
def _last_distance(shape: tuple[int, ...], boxes: tuple[Box, ...], sampling: Sampling) -> Float32:
    """`_distance` from boxes, which all variants of an image have in common."""
    distance = _distance(_inside(shape, boxes), sampling)
    distance.setflags(write=False)
    return distance


def _distance(inside_boxes: Mask, sampling: Sampling) -> Float32:
    """Distance to the nearest box voxel in shares of its maximum; 0 in the boxes, 1 at the farthest voxel."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~inside_boxes, sampling=sampling)
    farthest = distance.max()
    return np.asarray(distance / farthest if farthest > 0 else distance, dtype=np.float32)


def _regions(protected: Mask, observed: Mask) -> Regions:
    if protected.all():
        raise RegionError(
            "regions: nothing may change, expected free voxels: the boxes with their margin and what lies outside "
            "the domain cover the image; use a smaller margin or a wider domain",
            code="nothing-free",
        )
    if not observed.any():
        raise RegionError(
            "regions: nothing is observed, so nothing of the source would be kept; "
            "expected boxes smaller than the image",
            code="nothing-kept",
        )
    return Regions(protected, observed)
