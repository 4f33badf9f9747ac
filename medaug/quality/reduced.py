"""A source and its variant at the size in which a person takes an image in: some 256 px along the longer side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medaug.imaging.resample import block_means
from medaug.imaging.volume import Float32, Mask, Volume, Window
from medaug.quality.baseline import levels

LONGEST = 256  # px, about: slices are reduced by a whole number
WHOLE = 0.99  # of a block: free as a whole
SINGLE = 0.6745  # of a normal distribution: its median absolute value over its standard deviation


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice, (rows, columns) float32, 0 at the window's low end to 1 at its high one, cut, bright is high.

    Attributes:
        before: of the source.
        after: of the variant.
        free: where it may change, as far as whole pixels of this size are free.
    """

    before: Float32
    after: Float32
    free: Mask

    @property
    def change(self) -> Float32:
        """What was added."""
        return self.after - self.before

    @property
    def noise(self) -> float:
        """The source's noise in the free region: the median size of its finest diagonal detail.

        Source: Donoho & Johnstone, Ideal spatial adaptation by wavelet shrinkage, 1994.
        """
        x, f = self.before, self.free
        detail = (x[1:, 1:] - x[1:, :-1] - x[:-1, 1:] + x[:-1, :-1]) / 2
        where = f[1:, 1:] & f[1:, :-1] & f[:-1, 1:] & f[:-1, :-1]
        return float(np.median(np.abs(detail[where])) / SINGLE) if where.any() else 0.0


def reduced(source: Volume, variant: Volume, protected: Mask, window: Window) -> tuple[Slice, ...]:
    """Every slice that has free pixels at that size."""
    factor = max(1, round(max(protected.shape[1:]) / LONGEST))
    found = []
    for k, kept in enumerate(protected):
        free = _shrunk(~kept, factor) >= WHOLE
        if free.any():
            before, after = (_shown(volume, window, k, factor) for volume in (source, variant))
            found.append(Slice(before, after, free))
    return tuple(found)


def _shown(volume: Volume, window: Window, k: int, factor: int) -> Float32:
    grey = np.clip(_shrunk(levels(volume, window, k), factor), 0, 1)
    return 1 - grey if volume.inverted else grey


def _shrunk(plane: npt.NDArray[np.generic], factor: int) -> Float32:
    rows, columns = (n // factor * factor for n in plane.shape)
    cut = plane[:rows, :columns]
    return block_means(cut, factor) if factor > 1 else cut.astype(np.float32)
