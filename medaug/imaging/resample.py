"""Resampling between the native grid and the prior's, as matrices: linear, separable, NumPy only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from medaug.imaging.volume import Float32


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
    distance = np.abs(np.arange(n_in)[None, :] - centre[:, None]) / width
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    matrix: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=32)
def coverage_matrix(n_in: int, n_out: int) -> Float32:
    """The (n_out, n_in) matrix whose rows hold how much of each output voxel each input voxel covers."""
    ratio = n_in / n_out
    low = np.arange(n_out)[:, None] * ratio
    index = np.arange(n_in)[None, :]
    overlap = np.minimum(index + 1, low + ratio) - np.maximum(index, low)
    matrix: Float32 = (np.clip(overlap, 0.0, None) / ratio).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


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


def resize(images: Float32, shape: tuple[int, int]) -> Float32:
    """Resample (…, I, J) to (…, *shape) by antialiased cubics; unchanged where the size is."""
    return _apply(images, cubic_matrix(images.shape[-2], shape[0]), cubic_matrix(images.shape[-1], shape[1]))


def coverage(masks: Float32, shape: tuple[int, int]) -> Float32:
    """The covered share in [0, 1] of each voxel of the new grid, for masks (…, I, J) given as 0.0 and 1.0."""
    return _apply(masks, coverage_matrix(masks.shape[-2], shape[0]), coverage_matrix(masks.shape[-1], shape[1]))


def _apply(images: Float32, rows: Float32, columns: Float32) -> Float32:
    return np.asarray(rows @ (images.astype(np.float32) @ columns.T), dtype=np.float32)
