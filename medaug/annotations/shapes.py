"""Points, lines, circles and ellipses → the box around them; the graphic types of DICOM, used for other formats too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medaug.annotations.parsing import MAX_NUMBER, corners
from medaug.errors import AnnotationError
from medaug.imaging.geometry import Float64

Extent = tuple[Float64, Float64]
THIN = 1e-3  # voxels or px: a flat figure gets this much thickness, so that it lies on the voxels it passes through


def extent(kind: str, points: npt.ArrayLike, where: str) -> Extent | None:
    """The lower and upper corner of the axis-aligned box around a figure, or None for points, which have no extent.

    An ellipse is given by the ends of its axes (PS3.3 C.18.6.1.2), and its box is not that of these ends: with half
    axes a and b it reaches sqrt(a² + b²) along each coordinate. A line of two points is a diameter: the box is that of
    the circle around it. An interpolated curve may bulge beyond its points by up to a sixth of their range, the bound
    of a Catmull-Rom spline by its Bézier points.

    Args:
        kind: a graphic type of PS3.3 C.18.6, C.18.9 or C.10.5, in capitals.
        points: (N, d) in edge coordinates.
        where: how messages name it.

    Raises:
        AnnotationError: unknown type, or the wrong number of points.
    """
    found = np.asarray(points, dtype=np.float64)
    if found.ndim != 2 or not len(found) or not (np.abs(found) <= MAX_NUMBER).all():
        raise AnnotationError(f"{where}: expected finite points, found none or others; export it again")
    low, high = found.min(axis=0), found.max(axis=0)
    if kind == "POINT" or len(found) == 1:
        return None
    if kind in ("CIRCLE", "ELLIPSE", "ELLIPSOID"):
        return _round(kind, found, where)
    if kind not in ("POLYLINE", "POLYGON", "MULTIPOINT", "INTERPOLATED"):
        raise AnnotationError(f"{where}: expected a point, polyline, circle or ellipse, found another graphic type")
    if len(found) == 2 and kind == "POLYLINE":
        return _reaching(found.mean(axis=0), np.full(found.shape[1], np.linalg.norm(found[1] - found[0]) / 2))
    bulge = (high - low) / 6 if kind == "INTERPOLATED" else np.zeros_like(low)
    return low - bulge, high + bulge


def around(points: Sequence[tuple[float, float]], where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The rectangle around a polygon of (x, y), when it has an area."""
    if len(points) < 2:
        raise AnnotationError(f"{where}: expected 2 or more points, found {len(points)}; a point has no extent")
    xs, ys = zip(*points, strict=True)
    return corners((min(xs), min(ys)), (max(xs), max(ys)), where)


def turned(
    low: tuple[float, float], high: tuple[float, float], degrees: float, pivot: tuple[float, float]
) -> list[tuple[float, float]]:
    """The four corners of a rectangle turned clockwise on the screen (x right, y down) about a point."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    square = [(x - pivot[0], y - pivot[1]) for x in (low[0], high[0]) for y in (low[1], high[1])]
    return [(pivot[0] + x * c - y * s, pivot[1] + x * s + y * c) for x, y in square]


def turned_about_centre(
    low: tuple[float, float], high: tuple[float, float], degrees: float
) -> list[tuple[float, float]]:
    """Likewise, about the rectangle's own centre."""
    return turned(low, high, degrees, ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2))


def thickened(low: Float64, high: Float64) -> Extent:
    """A flat extent made `THIN`."""
    flat = (high - low) < THIN
    return np.where(flat, low - THIN, low), np.where(flat, high + THIN, high)


def _round(kind: str, points: Float64, where: str) -> Extent:
    count = {"CIRCLE": 2, "ELLIPSE": 4, "ELLIPSOID": 6}[kind]
    if len(points) != count:
        raise AnnotationError(f"{where}: expected {count} points of a {kind.lower()}, found {len(points)}")
    if kind == "CIRCLE":  # its centre, and a point on it
        return _reaching(points[0], np.full(points.shape[1], np.linalg.norm(points[1] - points[0])))
    axes = (points[1::2] - points[0::2]) / 2
    return _reaching(points.mean(axis=0), np.sqrt((axes**2).sum(axis=0)))


def _reaching(centre: Float64, reach: Float64) -> Extent:
    return centre - reach, centre + reach
