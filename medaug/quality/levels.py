"""Grey levels in shares of the window's width: 0 at its low end, 1 at its high one, not cut."""

from __future__ import annotations

from types import EllipsisType

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Area, Stored, Volume, Window

Levels = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]


def levels(volume: Volume, window: Window, k: int, at: tuple[slice | Indices, ...] | EllipsisType = ...) -> Levels:
    """Grey levels of a part of slice ``k``, a fresh array; float64 where float32 can't hold every stored number."""
    return graded(volume.stored[k][at], volume, window, k)


def extremes(volume: Volume, window: Window, k: int, at: Area) -> Levels:
    """Two levels or more, among them the least and the greatest of `levels`; NaN where there is any.

    Scaling and rounding keep the order of stored numbers, so their ends are the levels' ends.
    """
    if volume.lut is not None:
        return levels(volume, window, k, at)
    stored = volume.stored[k][at]
    return graded(np.array([stored.min(), stored.max()], dtype=stored.dtype), volume, window, k)


def moved(source: Volume, variant: Volume, window: Window, k: int, at: Area) -> Levels:
    """`levels` of the variant minus those of the source, a fresh array; stored numbers are subtracted, then scaled."""
    if source.lut is not None:
        return levels(variant, window, k, at) - levels(source, window, k, at)
    difference: Levels = variant.stored[k][at].astype(_kind(source))
    difference -= source.stored[k][at].astype(_kind(source))  # numbers of two kinds would be converted piece by piece
    difference *= source.rescale[k].slope / window.width
    return difference


def graded(stored: Stored, volume: Volume, window: Window, k: int) -> Levels:
    """Stored numbers of slice ``k`` as grey levels, a fresh array."""
    values = stored if volume.lut is None else volume.lut.apply(stored)
    grey: Levels = values.astype(_kind(volume))
    grey *= volume.rescale[k].slope / window.width
    grey += (volume.rescale[k].intercept - window.low) / window.width
    return grey


def _kind(volume: Volume) -> npt.DTypeLike:
    return np.float64 if volume.stored.dtype.itemsize > 2 else np.float32
