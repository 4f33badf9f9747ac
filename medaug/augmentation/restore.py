"""From the prior's grid back to the native one: how a solution becomes grey levels of the source's own resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medaug.augmentation.local_contrast import contrast_of_source
from medaug.imaging.crop import WHOLE
from medaug.imaging.presentation import Presentation
from medaug.imaging.products import product
from medaug.imaging.volume import Area, Float32, Mask, Strip, Volume
from medaug.quality import Limits
from medaug.regions.regions import Regions


@dataclass(frozen=True, eq=False)
class Solution:
    """What came back from the prior's grid, (K, size, size) float32, display units.

    Attributes:
        presented: the source as the prior saw it.
        solved: D(z*), the image that explains y.
        round_trip: D(E(presented)): what the autoencoder alone does to the source.
        taper: weight in [0, 1], 0 at protected voxels, rising on the free side.
        part: what was solved of the square; outside it nothing is free and all three images are the source.
    """

    presented: Float32
    solved: Float32
    round_trip: Float32
    taper: Float32
    part: Area = WHOLE


# Each strip's values are its own, so that what comes next may work in them
Restoration = Callable[[Volume, Presentation, Solution], Iterator[Strip]]


@dataclass(frozen=True, eq=False)
class RestoreTools:
    """How a solution becomes a variant.

    Attributes:
        restore: `restore_delta` or `restore_replace`.
        limits: limits of the quality checks.
    """

    restore: Restoration
    limits: Mapping[str, Limits]


def restore_delta(
    volume: Volume, view: Presentation, solution: Solution, spread: Float32 | None = None, contrast: bool = False
) -> Iterator[Strip]:
    """The source plus what the solve changed: x + up(w · (D(z*) - D(E(x)))), in modality units, strip by strip.

    The autoencoder's own blur is in both terms and cancels, and the source's fine detail and noise stay at native
    resolution. Its limit: fine edges of the source remain where the solve moved a structure.

    Args:
        volume: the source.
        view: how it was presented.
        solution: what came back.
        spread: (size, size), applied to the change along both axes before its taper: `resample.spread_matrix`.
        contrast: bring the local contrast of what was solved to the source's (`local_contrast`).
    """
    change = solution.solved - solution.round_trip
    if spread is not None:
        change = product(product(spread, change), spread.T)
    if contrast:
        for k, (shown, weight) in enumerate(zip(solution.presented, solution.taper, strict=True)):
            if weight.any():
                change[k] += contrast_of_source(shown, shown + change[k], weight)
    change *= solution.taper
    for k, one in enumerate(change):
        for area, step in view.native_strips(one):
            values = volume.modality_of(k, area)
            values += np.multiply(step, view.gain, out=step)
            yield Strip(k, area, values)


def restore_replace(volume: Volume, view: Presentation, solution: Solution) -> Iterator[Strip]:
    """The decoded image itself, up(D(z*)), blended over the taper: the paper's way, as sharp as the autoencoder."""
    for k, (solved, taper) in enumerate(zip(solution.solved, solution.taper, strict=True)):
        for (area, made), (_, weight) in zip(view.native_strips(solved), view.native_strips(taper), strict=True):
            values = volume.modality_of(k, area)
            step = weight * (made - view.to_display(values))
            yield Strip(k, area, values + view.to_modality_step(step))


def observed_residual(solution: Solution, on_grid: Regions) -> float:
    """Root mean square of A x* - A x over the observed voxels of solved slices, in display units (range 2)."""
    solved = (on_grid.free.any(axis=(1, 2)), *solution.part)
    seen = on_grid.observed[solved]
    if not seen.any():
        return 0.0
    difference = (solution.solved - solution.presented)[solved][seen]
    return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))


def seam_taper(touched: Mask, feather: float) -> Float32:
    """How much of the solution each voxel of the prior's grid takes, in [0, 1]; the seam lies on the free side.

    0 on voxels that any protected native voxel touches, however small it is, rising smoothly to 1 at ``feather`` px
    from them: with a law that holds most of a voxel, a speck inside it would stand out with a hard edge.
    """
    if feather <= 0:
        return (~touched).astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    weight = np.zeros(touched.shape, dtype=np.float32)
    for k, kept in enumerate(touched):
        if kept.all():
            continue
        distance = distance_transform_edt(~kept) if kept.any() else np.full(kept.shape, np.inf)
        share = np.clip((distance - 0.5) / feather, 0.0, 1.0)
        weight[k] = share * share * (3 - 2 * share)
    return weight
