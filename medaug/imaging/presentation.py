"""From modality values on the native grid to what a prior sees, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from medaug.imaging.resample import coverage, resize, resized_rows
from medaug.imaging.volume import STRIP, Area, Float32, Mask, Volume, Window

BLACK = -1.0


@dataclass(frozen=True)
class Presentation:
    """One linear map of grey levels and one of the grid, both with their way back.

    Aspect is kept: the area is scaled so that its longer physical side fills the prior's square, is centred, and the
    rest is black. Bright is high, so MONOCHROME1 is flipped here and nowhere else.

    Attributes:
        window: modality units that become [-1, 1].
        shape: (rows, columns) of the native slice.
        area: the part of the slice that is presented, as slices (i, j).
        size: side of the prior's square in px.
        inverted: True for MONOCHROME1.
        pixel_aspect: row spacing / column spacing.
    """

    window: Window
    shape: tuple[int, int]
    area: Area
    size: int
    inverted: bool
    pixel_aspect: float = 1.0

    @classmethod
    def of(cls, volume: Volume, window: Window, size: int, area: Area | None = None) -> Presentation:
        """The presentation of ``volume``; the whole slice unless an area is given."""
        _, rows, columns = volume.geometry.shape
        _, row_step, column_step = volume.geometry.spacing
        whole = (slice(0, rows), slice(0, columns))
        return cls(window, (rows, columns), area or whole, size, volume.inverted, row_step / column_step)

    @cached_property
    def inner(self) -> tuple[int, int]:
        """(height, width) of the presented area in px of the prior's square."""
        rows = (self.area[0].stop - self.area[0].start) * self.pixel_aspect
        columns = float(self.area[1].stop - self.area[1].start)
        scale = self.size / max(rows, columns)
        return max(1, round(rows * scale)), max(1, round(columns * scale))

    @property
    def scale(self) -> float:
        """Prior px per native column."""
        return float(self.inner[1] / (self.area[1].stop - self.area[1].start))

    def present(self, values: npt.NDArray[np.floating]) -> Float32:
        """Modality values (K, I, J) → (K, size, size) float32 in [-1, 1], bright is high."""
        return self._framed(np.clip(resize(self.to_display(values[:, *self.area]), self.inner), -1.0, 1.0), BLACK)

    def to_display(self, values: npt.NDArray[np.floating]) -> Float32:
        """Modality values (…, I, J) → display values, -1 for black and 1 for white, cut at the window's ends."""
        display = np.empty(values.shape, dtype=np.float32)
        for first in range(0, values.shape[-2], STRIP):  # what is worked on stays in the processor's cache
            rows = (..., slice(first, first + STRIP), slice(None))
            centred = values[rows] - self.window.center
            centred *= 2.0 / self.window.width
            np.clip(centred, -1.0, 1.0, out=centred)
            display[rows] = -centred if self.inverted else centred
        return display

    @property
    def gain(self) -> np.float32:
        """Modality units that a display unit stands for; negative for MONOCHROME1."""
        return np.float32((-0.5 if self.inverted else 0.5) * self.window.width)

    def to_modality_step(self, display: Float32) -> Float32:
        """A *difference* of display values → a difference of modality values."""
        return np.asarray(display * self.gain)

    def native_strips(self, image: Float32) -> Iterator[tuple[Area, Float32]]:
        """(size, size) on the prior's square → the native grid, some rows of the area at a time; and where they lie."""
        rows, columns = self.area
        shape = rows.stop - rows.start, columns.stop - columns.start
        for some, values in resized_rows(image[self._inner_area], shape):
            yield (slice(rows.start + some.start, rows.start + some.stop), columns), values

    def shrink(self, mask: Mask, share: float) -> Mask:
        """Masks (K, I, J) → (K, size, size): True where more than ``share`` of the voxel is covered."""
        covered = coverage(mask[:, *self.area], self.inner)
        return self._framed(covered, 0.0) > share + 1e-6

    def touched(self, rows: slice, columns: slice) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The rows and columns of the prior's square that a native rectangle covers some of; `shrink` by axis."""
        spans = []
        for axis, (span, first) in enumerate(zip((rows, columns), self._offset, strict=True)):
            line = np.zeros((1, self.shape[axis]), dtype=np.bool_)
            line[0, span] = True
            covered = coverage(line[:, self.area[axis]], (1, self.inner[axis]))[0]
            spans.append(first + np.flatnonzero(covered > 1e-6))
        return spans[0], spans[1]

    def enlarge(self, mask: Mask) -> Mask:
        """Masks (K, size, size) → (K, I, J) by nearest neighbour; False outside the area."""
        rows, columns = self.area
        height, width = self.inner
        top, left = self._offset
        i = top + ((np.arange(rows.stop - rows.start) + 0.5) * height / (rows.stop - rows.start)).astype(np.intp)
        j = left + ((np.arange(columns.stop - columns.start) + 0.5) * width / (columns.stop - columns.start)).astype(
            np.intp
        )
        enlarged: Mask = np.take(np.take(mask, j, axis=2), i, axis=1)  # whole rows at a time: a tenth of the time
        if enlarged.shape[1:] == self.shape:
            return enlarged
        native = np.zeros((mask.shape[0], *self.shape), dtype=np.bool_)
        native[:, rows, columns] = enlarged
        return native

    @property
    def _offset(self) -> tuple[int, int]:
        return (self.size - self.inner[0]) // 2, (self.size - self.inner[1]) // 2

    def _framed(self, inner: Float32, fill: float) -> Float32:
        framed = np.full((inner.shape[0], self.size, self.size), fill, dtype=np.float32)
        framed[:, *self._inner_area] = inner
        return framed

    @property
    def _inner_area(self) -> Area:
        (top, left), (height, width) = self._offset, self.inner
        return slice(top, top + height), slice(left, left + width)
