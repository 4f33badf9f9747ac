"""A table in place of slope and intercept, and its way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lut:
    """A Modality LUT table: stored value → modality value, monotone, so that it can be undone (PS3.3 C.11.1.1).

    Attributes:
        first: the stored value of the first entry; what lies before it or after the last takes their values.
        table: modality values, rising or falling throughout, with at least two different ones.
    """

    first: int
    table: Float64

    def __post_init__(self) -> None:
        steps = np.diff(self.table)
        if not (steps.any() and ((steps >= 0).all() or (steps <= 0).all())):
            raise ValueError("look-up table: expected one that rises or falls throughout")

    @property
    def key(self) -> tuple[int, bytes]:
        """Equal for equal tables."""
        return self.first, self.table.tobytes()

    @property
    def coarsest(self) -> float:
        """The greatest step between neighbouring entries."""
        return float(np.abs(np.diff(self.table)).max())

    def apply(self, stored: npt.NDArray[Any]) -> Float64:
        """Stored → modality values."""
        place = np.clip(np.asarray(stored, dtype=np.int64) - self.first, 0, len(self.table) - 1)
        return self.table[place]

    def undo(self, values: npt.NDArray[Any]) -> Float64:
        """Modality → the stored values of the nearest entries; of equal entries the one that comes first."""
        unique, where = np.unique(self.table, return_index=True)
        above = np.clip(np.searchsorted(unique, values), 1, len(unique) - 1)
        nearest = np.where(values - unique[above - 1] <= unique[above] - values, above - 1, above)
        return np.asarray(self.first + where[nearest], dtype=np.float64)
