"""How far generated regions are from real ones, and what they are compared with. Used by the scripts beside it.

Images are (rows, columns) float32 in [-1, 1]; ``free`` is True where a method generated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PATCH = 7  # px
LEVELS = 4  # of the pyramid: 256, 128, 64, 32
PER_IMAGE = 256  # patches per image and level
DIRECTIONS = 256
QUANTILES = 512
BAND = (2.0, 6.0)  # px, a difference of Gaussians: blotches of 8 to 24 px
BLOCK = 16  # px
CALM = 25  # per cent of the blocks
GREY = 2 / 256  # one grey level of a display


def laplacian_pyramid(image: Image) -> list[Image]:
    """Band-pass images from fine to coarse; the last is the rest.

    Source: Burt & Adelson 1983; the blur is their 5-tap binomial kernel.
    """
    bands, current = [], image
    for _ in range(LEVELS - 1):
        small = _blur(current)[::2, ::2]
        bands.append(current - _enlarged(small, current.shape))
        current = small
    return [*bands, current]


def patches(images: Sequence[Image], where: Sequence[Mask], seed: int = 0) -> list[npt.NDArray[np.float32]]:
    """Per level (N, PATCH²) patches whose centre lies in ``where``, the same number of each image."""
    draw = np.random.default_rng(seed)
    levels: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(LEVELS)]
    for image, mask in zip(images, where, strict=True):
        current = mask
        for level, band in enumerate(laplacian_pyramid(image)):
            half = PATCH // 2
            centres = np.argwhere(current[half:-half, half:-half])
            if len(centres):
                chosen = centres[draw.integers(len(centres), size=PER_IMAGE)]
                windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH))
                levels[level].append(windows[chosen[:, 0], chosen[:, 1]].reshape(len(chosen), -1))
            current = current[::2, ::2]
    return [np.concatenate(level) for level in levels]


def sliced_wasserstein(one: Sequence[npt.NDArray[np.float32]], other: Sequence[npt.NDArray[np.float32]]) -> float:
    """Mean over levels of the sliced Wasserstein-1 distance of patches, each level in units of ``other``'s scatter.

    Source: Rabin et al. 2011; on Laplacian pyramids Karras et al. 2018, arXiv 1710.10196, section 5. They normalise
    each set by itself; here both are divided by the real patches' scatter, so that contrast counts.
    """
    return between(projected(one, other), projected(other, other))


def projected(
    levels: Sequence[npt.NDArray[np.float32]], units: Sequence[npt.NDArray[np.float32]]
) -> list[npt.NDArray[np.float64]]:
    """Quantiles of patches along the directions, in units of the scatter of ``units``, level by level."""
    found = []
    for a, b in zip(levels, units, strict=True):
        direction = np.random.default_rng(1).normal(size=(a.shape[1], DIRECTIONS)).astype(np.float32)
        direction /= np.linalg.norm(direction, axis=0)
        found.append(quantiles((a - b.mean()) / (b.std() + 1e-6) @ direction))
    return found


def quantiles(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(QUANTILES, columns) evenly from the least to the greatest of each column; `np.quantile`, many times as fast."""
    ordered = np.sort(values.T, axis=1).T
    at = np.linspace(0, len(values) - 1, QUANTILES)
    below = np.minimum(at.astype(int), max(0, len(values) - 2))
    share = (at - below)[:, None]
    found: npt.NDArray[np.float64] = (1 - share) * ordered[below] + share * ordered[
        np.minimum(below + 1, len(values) - 1)
    ]
    return found


def between(one: Sequence[npt.NDArray[np.float64]], other: Sequence[npt.NDArray[np.float64]]) -> float:
    """The distance of two sets whose quantiles are known."""
    return float(np.mean([float(np.abs(a - b).mean()) for a, b in zip(one, other, strict=True)]))


def mottle(before: Image, after: Image, free: Mask) -> float:
    """What a variant adds where the source is calm, over what is there: root mean squares of a band of blotches.

    Taken over the quarter of the wholly free blocks that are calmest in the source. Above 1 the change outweighs the
    tissue's own texture and shows as clouds; the product's checks of single pixels don't see them. A source that is
    calmer than one grey level of a display counts as one. NaN where no block is free as a whole.
    """
    whole = _blocks(free).all(axis=(1, 3))
    there, added = (_blocks(_band(image) ** 2).mean(axis=(1, 3))[whole] for image in (before, after - before))
    if not whole.any():
        return float("nan")
    calm = there <= np.percentile(there, CALM)
    return float(np.sqrt(added[calm].mean()) / max(np.sqrt(there[calm].mean()), GREY))


def through_plane(before: Sequence[Image], after: Sequence[Image], free: Sequence[Mask]) -> float:
    """Of two neighbouring slices: the root mean square of their difference where both are free, over the source's."""
    both = free[0] & free[1]
    old, new = (float(np.sqrt(np.mean(np.square(pair[1] - pair[0])[both]))) for pair in (before, after))
    return new / old


def biharmonic_fill(image: Image, known: Mask) -> Image:
    """The smoothest surface through the known pixels: zero bilaplacian elsewhere, mirrored at the edges."""
    rows, columns = image.shape
    lines = [sparse.diags([np.ones(n - 1), -_degree(n), np.ones(n - 1)], [-1, 0, 1]) for n in (rows, columns)]
    laplacian = sparse.kronsum(lines[1], lines[0], format="csr")
    bilaplacian = (laplacian @ laplacian).tocsr()
    unknown = ~known.ravel()
    inner = bilaplacian[unknown]
    right = -(inner[:, ~unknown] @ image.ravel()[~unknown])
    result = image.ravel().copy()
    result[unknown] = spsolve(inner[:, unknown].tocsc(), right)
    return np.clip(result.reshape(image.shape), -1, 1).astype(np.float32)


def blurred_fill(image: Image, known: Mask, sigma: float = 4.0) -> Image:
    """Normalised convolution of the known pixels with a Gaussian; wider where nothing is near."""
    result, done = image.copy(), known.copy()
    while not done.all():
        weight = ndimage.gaussian_filter(known.astype(np.float32), sigma)
        value = ndimage.gaussian_filter(np.where(known, image, 0).astype(np.float32), sigma)
        new = ~done & (weight > 1e-3)
        result[new] = value[new] / weight[new]
        done |= new
        sigma *= 2
    return result


FILLS: dict[str, Callable[[Image, Mask], Image]] = {"biharmonic fill": biharmonic_fill, "Gaussian fill": blurred_fill}


def _band(image: Image) -> Image:
    fine, coarse = (ndimage.gaussian_filter(image, sigma) for sigma in BAND)
    return np.asarray(fine - coarse)


def _blocks(image: np.ndarray) -> np.ndarray:
    """(rows, BLOCK, columns, BLOCK); what fills no block is left out."""
    rows, columns = (n // BLOCK for n in image.shape)
    return image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)


def _degree(n: int) -> npt.NDArray[np.float64]:
    return np.r_[1.0, np.full(n - 2, 2.0), 1.0]


def _blur(image: Image) -> Image:
    kernel = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16
    once: Image = ndimage.convolve1d(image, kernel, axis=0, mode="mirror")
    return np.asarray(ndimage.convolve1d(once, kernel, axis=1, mode="mirror"))


def _enlarged(small: Image, shape: tuple[int, ...]) -> Image:
    spread = np.zeros(shape, dtype=np.float32)
    spread[::2, ::2] = 4 * small
    return _blur(spread)
