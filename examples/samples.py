"""Radiographs of nobody: what the prior in the package draws from pure noise, with a finding drawn in.

No patient, and the prior's licence (CC BY 4.0). A draw hangs on the prior and its seed alone. PICKS is the one list of
seeds, chosen by eye; with another prior, look at its draws and choose again, then look at the page of `make demo`:

    python tests/benchmarks/prior_samples.py --numbers --rows 12 --columns 8 --out seeds.png
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from unconditional import draw, with_attention_guidance

from medaug.imaging.boxes import Box

Image = npt.NDArray[np.float64]

ENLARGED = 2  # times, each way
GRAIN = 0.008  # of the range: the noise of a detector


@dataclass(frozen=True)
class Pick:
    """A draw of the prior and the finding in it, an ellipse; lengths in px of the draw, which is 256 × 256."""

    seed: int
    label: str
    at: tuple[int, int]  # row and column of its centre
    half: tuple[int, int]  # half axes down and across
    adds: float  # at its centre, of the range; below 0 is less dense
    columns: tuple[int, int] = (0, 256)  # what is kept of the width: limbs are drawn with black on both sides

    @property
    def box(self) -> Box:
        """The finding's box in px of the finished image, half-open."""
        (row, column), (down, across), left = self.at, self.half, self.columns[0]
        start = np.array([0, row - down, column - left - across]) * ENLARGED
        stop = np.array([0, row + down, column - left + across]) * ENLARGED
        return Box(tuple(start.tolist()), (1, *stop.tolist()[1:]), self.label)


PICKS = {
    "limb": Pick(80, "lesion", at=(172, 126), half=(12, 10), adds=-0.3, columns=(24, 232)),
    "chest": Pick(83, "opacity", at=(124, 61), half=(13, 11), adds=0.24),
    "before": Pick(68, "opacity", at=(115, 57), half=(12, 12), adds=0.24),
    "after": Pick(70, "opacity", at=(144, 68), half=(10, 10), adds=0.2),
    "leg": Pick(38, "lesion", at=(88, 139), half=(10, 9), adds=-0.2, columns=(24, 232)),
}


def drawn(steps: int = 50) -> dict[str, Image]:
    """Name → rows × columns in [0, 1], bright is dense; about two seconds of CPU each."""
    prior, seeds = with_attention_guidance(), [pick.seed for pick in PICKS.values()]
    draws = draw(prior, seeds, steps, eta=1.0)[:, 0].double().numpy()
    return {name: _finished(image, pick) for (name, pick), image in zip(PICKS.items(), draws, strict=True)}


def _finished(image: Image, pick: Pick) -> Image:
    large = ndimage.zoom((image[:, slice(*pick.columns)] + 1) / 2, ENLARGED, order=3)
    (_, top, left), (_, bottom, right) = pick.box.start, pick.box.stop
    i, j = np.ogrid[0 : large.shape[0], 0 : large.shape[1]]
    away = ((2 * i + 1 - top - bottom) / (bottom - top)) ** 2 + ((2 * j + 1 - left - right) / (right - left)) ** 2
    large += pick.adds * np.clip(1 - away, 0, None) ** 1.5
    return np.clip(large + np.random.default_rng(pick.seed).normal(0, GRAIN, large.shape), 0, 1)
