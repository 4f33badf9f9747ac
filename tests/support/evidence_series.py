"""Derived series with regions and boxes, for the tests of the evidence objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from tests.support import make
from tests.support.dicom_derived import as_volume, edited, full_of_traps, ring, written

BUILT: dict[str, Callable[[Path], tuple[Path, ...]]] = {
    "CR": lambda folder: (make.radiograph(folder, rows=65, columns=43),),
    "CR every trap": lambda folder: (edited(make.radiograph(folder), full_of_traps),),
    "DX": lambda folder: (make.radiograph(folder, modality="DX"),),
    "CT": lambda folder: make.series(folder, slices=3, padding=-2000),
    "MR oblique": lambda folder: make.series(
        folder, slices=3, modality="MR", rows=31, columns=45, orientation=(0.8, 0.6, 0, 0, 0, -1)
    ),
}


@dataclass(frozen=True, eq=False)
class Made:
    """A derived series and what its evidence must say."""

    source: Volume
    files: tuple[Path, ...]
    boxes: tuple[Box, ...]
    free: Mask
    observed: Mask
    labelled: Mask

    @property
    def masks(self) -> tuple[Mask, Mask, Mask]:
        return self.free, self.observed, self.labelled


def derived(kind: str, folder: Path) -> Made:
    source = as_volume(BUILT[kind](folder / "in"))
    free = ring(source)
    observed = ~free | (np.random.default_rng(1).random(free.shape) < 0.1)
    slices, rows, columns = free.shape
    i, j = rows // 3, columns // 3
    boxes = (
        Box((0, i, j), (slices, i + 5, j + 7), "fracture"),
        Box((slices - 1, i + 4, j + 4), (slices, i + 9, j + 6), "Läsion ^ (dicht), sehr weit \\ oben"),
    )
    labelled = np.zeros_like(free)
    for box in boxes:
        labelled[box.slices] = True
    return Made(source, written(source, folder / "out"), boxes, free, observed, labelled)
