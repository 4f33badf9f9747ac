"""Resampling between the native grid and smaller ones: as matrices, linear and separable; or as means of blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.imaging.products import product
from medaug.imaging.volume import STRIP, Float32, Mask


@lru_cache(maxsize=32)
def cubic_matrix(n_in: int, n_out: int) -> Float32:
    """The (n_out, n_in) matrix of antialiased cubic resampling along one axis.

    Voxel edges of both grids coincide at both ends, so the centre of output voxel p lies at
    ``(p + 0.5) * n_in / n_out - 0.5``. When shrinking, the kernel is widened by the ratio, which makes it a low-pass
    filter. Rows sum to 1: a constant stays a constant, also at the border.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5.
    """
    ratio = n_in / n_out
    width = max(1.0, ratio)
    centre = (np.arange(n_out) + 0.5) * ratio - 0.5
    index = _nearby(centre - 2 * width, 4 * width, n_in)  # all others are 0
    distance = np.abs(index - centre[:, None]) / width
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.zeros((n_out, n_in))
    np.put_along_axis(weights, index, np.where(distance < 1, near, np.where(distance < 2, far, 0.0)), axis=1)
    matrix: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=32)
def coverage_matrix(n_in: int, n_out: int) -> Float32:
    """The (n_out, n_in) matrix whose rows hold how much of each output voxel each input voxel covers."""
    index, weights = _covering(n_in, n_out)
    matrix = np.zeros((n_out, n_in), dtype=np.float32)
    np.put_along_axis(matrix, index, weights, axis=1)
    matrix.setflags(write=False)
    return matrix


def _covering(n_in: int, n_out: int) -> tuple[npt.NDArray[np.intp], Float32]:
    """Input voxels that each output voxel may cover, (n_out, some), one after the other, and how much of it each is."""
    ratio = n_in / n_out
    low = np.arange(n_out)[:, None] * ratio
    index = _nearby(low[:, 0], ratio, n_in)
    overlap = np.minimum(index + 1, low + ratio) - np.maximum(index, low)
    return index, (np.clip(overlap, 0.0, None) / ratio).astype(np.float32)


def _nearby(first: npt.NDArray[np.floating], length: float, n_in: int) -> npt.NDArray[np.intp]:
    """Places (n, some) of a line of ``n_in`` from each of ``first`` on over a length, and a few more."""
    count = min(n_in, math.ceil(length) + 3)
    start = np.clip(np.floor(first).astype(np.intp) - 1, 0, n_in - count)
    return np.asarray(start[:, None] + np.arange(count))


@lru_cache(maxsize=8)
def spread_matrix(size: int, cell: int, first: int = 0) -> Float32:
    """The (size, size) matrix that spreads the step at each border of cells over half a cell on both sides.

    An autoencoder's cells err one by one, so a difference of two decoded images has steps between them. What a step
    exceeds the mean of its two neighbouring slopes by is taken off it and ramped away from it. Constants and straight
    slopes stay, and so does the sum of a line.

    Args:
        size: of the line in px.
        cell: px of a cell; at least 4, or there is nothing to ramp over.
        first: where the first border lies, 0 where a cell begins with the line.
    """
    matrix = np.eye(size)
    half = cell // 2
    for border in range(first or cell, size - 1, cell) if cell >= 4 else ():
        if border < 2:
            continue
        excess = np.zeros(size)
        excess[border - 2 : border + 2] = 0.5, -1.5, 1.5, -0.5
        for reach in range(min(half, border, size - border)):
            share = 0.5 * (1 - reach / half)
            matrix[border - 1 - reach] += share * excess
            matrix[border + reach] -= share * excess
    spread: Float32 = matrix.astype(np.float32)
    spread.setflags(write=False)
    return spread


def low_pass_matrix(size: int, period: float) -> Float32:
    """The (size, size) matrix of a Gaussian along a line, which halves a wave of ``period`` px; its rows add up to 1.

    At the ends the line is mirrored, so that constants stay.

    Args:
        size: of the line in px.
        period: px; 0 leaves everything as it is.
    """
    here = np.arange(size)
    sigma = max(period, 1e-3) * np.sqrt(2 * np.log(2)) / (2 * np.pi)
    weights = sum(
        np.exp(-0.5 * ((here[:, None] - there) / sigma) ** 2) for there in (here, -1 - here, 2 * size - 1 - here)
    )
    matrix: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def resize(images: Float32, shape: tuple[int, int]) -> Float32:
    """Resample (…, I, J) to (…, *shape) by antialiased cubics; unchanged where the size is."""
    return _apply(images, cubic_matrix, shape)


def resized_rows(image: Float32, shape: tuple[int, int]) -> Iterator[tuple[slice, Float32]]:
    """`resize` of one image (I, J), some rows at a time, which stay in the processor's cache; and which rows."""
    narrowed = _along_columns(np.asarray(image, dtype=np.float32), cubic_matrix, shape[1])
    for new, old, weights in _bands(cubic_matrix, len(image), shape[0]):
        for first in range(new.start, new.stop, STRIP):
            rows = slice(first, min(first + STRIP, new.stop))
            yield rows, product(weights[rows.start - new.start : rows.stop - new.start], narrowed[old])


def coverage(masks: Mask, shape: tuple[int, int]) -> Float32:
    """The covered share in [0, 1] of each voxel of the new grid, for masks (…, I, J), to within 1e-6."""
    if masks.shape[-2] < COUNTED * shape[0]:
        return _apply(masks.astype(np.float32), coverage_matrix, shape)
    return _along_columns(_covered_rows(masks, shape[0]), coverage_matrix, shape[1])


def _covered_rows(masks: Mask, n_out: int) -> Float32:
    """Coverage along the rows alone, (…, n_out, J): whole rows are counted, a tenth of the work of a product."""
    *slices, n_in, columns = masks.shape
    places, weights = _covering(n_in, n_out)
    numbers = np.ascontiguousarray(masks).view(np.uint8)
    kind = np.uint8 if n_in < 255 * n_out else np.uint32  # of the count
    covered = np.empty((*slices, n_out, columns), dtype=np.float32)
    for row, (at, weight) in enumerate(zip(places[:, 0].tolist(), weights, strict=True)):
        first, last = np.flatnonzero(weight)[[0, -1]].tolist()
        whole = numbers[..., at + first + 1 : at + last, :].sum(axis=-2, dtype=kind)
        target = np.multiply(whole, np.float32(n_out / n_in), out=covered[..., row, :])
        for end in (first, last):  # which may be covered in part
            target += weight[end] * numbers[..., at + end, :]
    return covered


def block_means(image: npt.NDArray[np.generic], side: int) -> Float32:
    """Means over side × side px of an image or a mask (rows, columns); the last row and column fill up."""
    numbers = image.view(np.uint8) if image.dtype == np.bool_ else image
    sums = _sums(numbers, side, 0, _kind_of_sums(numbers, side))
    means = _sums(sums, side, 1, _kind_of_sums(sums, side)).astype(np.float32, copy=False)  # whole sums are exact
    means /= np.float32(side**2)
    return means


def _kind_of_sums(image: npt.NDArray[Any], side: int) -> npt.DTypeLike:
    """What the sums of so many pixels fit: their own kind where that holds them, in which they are added fastest."""
    if image.dtype.kind not in "iu" or image.dtype.itemsize > 2 or not image.size:
        return np.float32
    held = np.iinfo(image.dtype)
    low = int(image.min()) if held.min else 0
    return image.dtype if held.min <= side * low and side * int(image.max()) <= held.max else np.float32


def _sums(image: npt.NDArray[Any], side: int, axis: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Sums of ``side`` lines each: a stride at a time, which takes a third of the time of a reduction."""

    def lines(of: npt.NDArray[Any], which: slice) -> npt.NDArray[Any]:
        return of[which] if axis == 0 else of[:, which]

    shape = list(image.shape)
    shape[axis] = -(-shape[axis] // side)
    sums = np.zeros(shape, dtype=kind)
    for first in range(side):
        stride = lines(image, slice(first, None, side))
        filled, short = lines(sums, slice(stride.shape[axis])), lines(sums, slice(stride.shape[axis], None))
        filled += stride
        short += lines(image, slice(-1, None))
    return sums


Kernel = Callable[[int, int], Float32]
Band = tuple[slice, slice, Float32]  # places in the new line, those of the old line that they need, the weights
COUNTED = 4  # rows in one, from which on they are counted
LEAST = 16  # places in a band, of the old line and of the new one: enough for a matrix product to be worth it


@lru_cache(maxsize=64)
def _bands(kernel: Kernel, n_in: int, n_out: int) -> tuple[Band, ...]:
    """The matrix cut into bands without the zeros beside them: of 2500 × 256 numbers 4 in a row are none."""
    matrix, step = kernel(n_in, n_out), max(LEAST, LEAST * n_out // n_in)
    bands = []
    for first in range(0, n_out, step):
        rows = matrix[first : first + step]
        hits = np.flatnonzero(rows.any(axis=0))
        needed = slice(int(hits[0]), int(hits[-1]) + 1)
        bands.append((slice(first, first + len(rows)), needed, np.ascontiguousarray(rows[:, needed])))
    return tuple(bands)


def _apply(images: Float32, kernel: Kernel, shape: tuple[int, int]) -> Float32:
    return _along_rows(_along_columns(np.asarray(images, dtype=np.float32), kernel, shape[1]), kernel, shape[0])


def _along_rows(images: Float32, kernel: Kernel, n_out: int) -> Float32:
    *slices, n_in, columns = images.shape
    resampled = np.empty((*slices, n_out, columns), dtype=np.float32)
    for new, old, weights in _bands(kernel, n_in, n_out):
        product(weights, images[..., old, :], resampled[..., new, :])
    return resampled


def _along_columns(images: Float32, kernel: Kernel, n_out: int) -> Float32:
    *slices, rows, n_in = images.shape
    resampled = np.empty((*slices, rows, n_out), dtype=np.float32)
    for new, old, weights in _bands(kernel, n_in, n_out):
        product(images[..., old], weights.T, resampled[..., new])
    return resampled
