"""Which voxels are kept, which guide the solve, and which are generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask


@dataclass(frozen=True, eq=False)
class Regions:
    """Three kinds of voxel, never a bare mask.

    Attributes:
        protected: copied back bit for bit from the stored source numbers. Holds the boxes with their
            margin, and everything outside the domain.
        observed: enter the measurement y and guide the solve; protected ⊆ observed. What is observed
            and not protected ("dust") is repainted.
    """

    protected: Mask
    observed: Mask

    def __post_init__(self) -> None:
        if self.protected.shape != self.observed.shape:
            raise ValueError(f"protected {self.protected.shape} and observed {self.observed.shape} differ in shape")
        if bool((self.protected > self.observed).any()):
            raise ValueError("every protected voxel must be observed")
        self.protected.setflags(write=False)
        self.observed.setflags(write=False)

    @property
    def free(self) -> Mask:
        """The voxels a variant may change: all that are not protected."""
        return ~self.protected


Sampling = tuple[float, float, float]  # voxel step along (k, i, j), in columns
RegionLaw = Callable[[Mask, Sequence[Box], int, Sampling], Regions]
