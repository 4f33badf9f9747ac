"""A source and its variant at the size in which a person takes an image in: some 256 px along the longer side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from medaug.imaging.resample import block_means
from medaug.imaging.volume import STRIP, Float32, Mask, Volume, Window
from medaug.quality.levels import levels

LONGEST = 256  # px, about: slices are reduced by a whole number
WHOLE = 0.99  # of a block: free as a whole
EDGE = 1.5  # px: width of the Gaussian that edges are looked for with
BAND = (2.0, 6.0)  # px, a difference of Gaussians: clouds of 8 to 24 px
ADDED_BLOBS = (3.0, 4.0, 5.0)  # px: radii over √2, of plugs of 8 to 14 px
NEARBY = 4  # px along each axis: a blob there is the same one, elsewhere
NEAREST, FURTHEST = 4.0, 40.0  # px: how far aside a ghost lies
COARSE = 6.0  # px: what is above it isn't detail
LEVEL = 1 / 255  # root mean square of detail that can be seen
QUIETEST = 0.02  # of the mean power: what is below it isn't deconvolved
SINGLE = 0.6745  # of a normal distribution: its median absolute value over its standard deviation


@dataclass(frozen=True, eq=False)
class Before:
    """One slice of a source, (rows, columns) float32, and what all its variants are compared with.

    Attributes:
        image: 0 at the window's low end to 1 at its high one, cut, bright is high.
        free: where it may change, as far as whole pixels of this size are free.
        number: of the slice.
        factor: stored pixels along a pixel.
        alone: whether it is the only such slice; of several, what takes room isn't kept: a quarter of a gigabyte.
    """

    image: Float32
    free: Mask
    number: int = 0
    factor: int = 1
    alone: bool = False

    @cached_property
    def noise(self) -> float:
        """The noise in the free region: the median size of its finest diagonal detail.

        Source: Donoho & Johnstone, Ideal spatial adaptation by wavelet shrinkage, 1994.
        """
        x, f = self.image, self.free
        detail = (x[1:, 1:] - x[1:, :-1] - x[:-1, 1:] + x[:-1, :-1]) / 2
        where = f[1:, 1:] & f[1:, :-1] & f[:-1, 1:] & f[:-1, :-1]
        return float(np.median(np.abs(detail[where])) / SINGLE) if where.any() else 0.0

    @cached_property
    def slopes(self) -> Float32:
        """(2, rows, columns), see `slopes`."""
        return slopes(self.image)

    @cached_property
    def band(self) -> Float32:
        """See `band`."""
        return band(self.image)

    @property
    def blob_reach(self) -> list[tuple[Float32, Float32]]:
        """See `blob_reach`."""
        return self._kept_reach if self.alone else blob_reach(self.image)

    @property
    def ghost_filter(self) -> GhostFilter:
        """See `ghost_filter`."""
        return self._kept_filter if self.alone else ghost_filter(self.image, self.free)

    @cached_property
    def _kept_reach(self) -> list[tuple[Float32, Float32]]:
        return blob_reach(self.image)

    @cached_property
    def _kept_filter(self) -> GhostFilter:
        return ghost_filter(self.image, self.free)


@dataclass(frozen=True, eq=False)
class GhostFilter:
    """What finds copies of a slice's detail in a change.

    Attributes:
        taper: (rows, columns), 0 to 1: fades out the free region's border.
        response: of the filter, (rows, columns / 2 + 1) of a real transform of ``shape``.
        shape: of the transform: the slice, and room for the furthest copy.
        coarse: px: the width of the Gaussian that is taken off for detail.
    """

    taper: Float32
    response: npt.NDArray[np.complexfloating]
    shape: tuple[int, int]
    coarse: float = COARSE


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a source and its variant.

    Attributes:
        source: the source's side.
        after: of the variant, as `Before.image`.
    """

    source: Before
    after: Float32

    @property
    def free(self) -> Mask:
        """Where it may change."""
        return self.source.free

    @property
    def noise(self) -> float:
        """The source's."""
        return self.source.noise

    @cached_property
    def change(self) -> Float32:
        """What was added."""
        return self.after - self.source.image

    @cached_property
    def added_band(self) -> Float32:
        """See `band`, of what was added."""
        return band(self.change)

    @cached_property
    def slopes(self) -> tuple[Float32, Float32]:
        """Before and after."""
        return self.source.slopes, slopes(self.after)


def befores(source: Volume, protected: Mask, window: Window) -> tuple[Before, ...]:
    """Every slice that has free pixels at that size, of a source whose ``protected`` voxels must stay."""
    factor = max(1, round(max(protected.shape[1:]) / LONGEST))
    shrunk = [(k, np.asarray(_shrunk(~kept, factor) >= WHOLE)) for k, kept in enumerate(protected)]
    some = [(k, free) for k, free in shrunk if free.any()]
    return tuple(Before(_shown(source, window, k, factor), free, k, factor, len(some) == 1) for k, free in some)


def reduced(variant: Volume, window: Window, source: Sequence[Before]) -> tuple[Slice, ...]:
    """A variant's slices beside those of its source."""
    return tuple(Slice(one, _shown(variant, window, one.number, one.factor)) for one in source)


def slopes(x: Float32) -> Float32:
    """(2, rows, columns), per px, behind a Gaussian of `EDGE`."""
    from scipy import ndimage

    return np.stack([ndimage.gaussian_filter(x, EDGE, order=order) for order in ((1, 0), (0, 1))])


def band(x: Float32) -> Float32:
    """What lies between two Gaussians, `BAND`."""
    from scipy import ndimage

    fine, coarse = (ndimage.gaussian_filter(x, width) for width in BAND)
    return np.asarray(fine - coarse)


def curvature(x: Float32, scale: float) -> Float32:
    """The normalised Laplacian of Gaussian: above 0 in dark blobs, below in light ones."""
    from scipy import ndimage

    return np.asarray(scale**2 * ndimage.laplace(ndimage.gaussian_filter(x, scale)))


def blob_reach(x: Float32) -> list[tuple[Float32, Float32]]:
    """At each of `ADDED_BLOBS`: the strongest dark and the strongest light blob within `NEARBY` px, at least 0."""
    from scipy import ndimage

    found = []
    for scale in ADDED_BLOBS:
        curved = curvature(x, scale)
        dark, light = (ndimage.maximum_filter(np.maximum(one, 0), 2 * NEARBY + 1) for one in (curved, -curved))
        found.append((dark, light))
    return found


def ghost_filter(x: Float32, free: Mask) -> GhostFilter:
    """Of a slice's detail in its free region: Wiener's inverse, scaled so that a full copy gives a peak of 1."""
    from scipy import fft, ndimage

    rows, columns = (fft.next_fast_len(n + int(FURTHEST), real=True) for n in x.shape)
    taper = ndimage.gaussian_filter(free.astype(np.float32), 2)
    spectrum = fft.rfft2((x - ndimage.gaussian_filter(x, COARSE)) * taper, (rows, columns))
    power = np.square(np.abs(spectrum))
    seen = ndimage.fourier_gaussian(np.ones_like(power), 1.0, n=columns)  # peaks a pixel wide
    there, least = float(power.mean()), LEVEL**2 * float(np.square(taper).sum())  # sums of squares, by Parseval
    if there < least:  # what can't be seen can't be seen twice
        return GhostFilter(taper, np.zeros_like(spectrum), (rows, columns))
    inverse = seen / (power + QUIETEST * there)
    full = float(fft.irfft2(power * inverse, (rows, columns))[0, 0])
    return GhostFilter(taper, np.conj(spectrum) * (inverse / full), (rows, columns))


def _shown(volume: Volume, window: Window, k: int, factor: int) -> Float32:
    _, rows, columns = volume.stored.shape
    at_once = max(1, STRIP // factor)  # grey levels are worked out where they are needed
    grey = np.empty((rows // factor, columns // factor), dtype=np.float32)
    for first in range(0, len(grey), at_once):
        part = slice(first * factor, min(first + at_once, len(grey)) * factor), slice(0, columns)
        grey[first : first + at_once] = _shrunk(levels(volume, window, k, part), factor)
    np.clip(grey, 0, 1, out=grey)
    return 1 - grey if volume.inverted else grey


def _shrunk(plane: npt.NDArray[np.generic], factor: int) -> Float32:
    rows, columns = (n // factor * factor for n in plane.shape)
    cut = plane[:rows, :columns]
    return block_means(cut, factor) if factor > 1 else cut.astype(np.float32)
