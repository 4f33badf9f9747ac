"""Figures against their limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from medaug.imaging.volume import Mask, Volume, Window
from medaug.quality import added, figures, structure
from medaug.quality.baseline import Baseline
from medaug.quality.figures import Pair

Limits = tuple[float | None, float | None]
# Those whose limits a profile may set: every check but protected_identity, since what a box holds is not negotiable.
CheckName = Literal[
    "range", "seam", "sharpness", "noise", "air_noise", "change", "through_plane", "structure_lost", "structure_new",
    "clouding", "blobs", "changed_share", "blobs_new", "ghosting", "calm_texture", "observed_residual", "domain_share",
]  # fmt: skip

FIGURES: Mapping[str, Callable[[Pair], float]] = MappingProxyType(
    {
        "protected_identity": figures.protected_identity,
        "range": figures.value_range,
        "seam": figures.seam,
        "sharpness": figures.sharpness,
        "noise": figures.noise,
        "air_noise": figures.air_noise,
        "change": figures.change,
        "through_plane": figures.through_plane,
        "structure_lost": structure.structure_lost,
        "structure_new": structure.structure_new,
        "clouding": structure.clouding,
        "blobs": structure.blobs,
        "changed_share": structure.changed_share,
        "blobs_new": added.blobs_new,
        "ghosting": added.ghosting,
        "calm_texture": added.calm_texture,
    }
)
DEFAULT_LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "protected_identity": (None, 0.0),
        "range": (None, 0.0),
        "seam": (None, 2.5),
        "sharpness": (0.6, 1.6),
        "noise": (0.5, 2.0),
        "air_noise": (0.5, 2.0),
        "change": (0.002, None),
        "through_plane": (0.8, 1.2),
        "structure_lost": (None, 0.25),
        "structure_new": (None, 0.25),
        "clouding": (None, 3.0),
        "blobs": (None, 0.18),
        "changed_share": (0.02, None),
        "blobs_new": (None, 0.08),
        "ghosting": (None, 0.2),
        "calm_texture": (None, 1.3),
        "observed_residual": (None, 0.5),
        "domain_share": (None, None),
    }
)


@dataclass(frozen=True)
class Check:
    """One figure and its verdict.

    Attributes:
        name: a key of `DEFAULT_LIMITS`.
        value: the figure; NaN where it can't be taken, which fails.
        limit: (least, greatest), inclusive; None leaves a side open.
        passed: whether the figure is a finite number within the limit.
    """

    name: str
    value: float
    limit: Limits
    passed: bool

    def __str__(self) -> str:
        low, high = ("…" if end is None else f"{end:g}" for end in self.limit)
        return f"{self.name}: {self.value:.4g}, expected {low} to {high}"


def judged(name: str, value: float, limit: Limits) -> Check:
    """A check with its verdict."""
    low, high = limit
    value = float(value)  # figures may be NumPy's; records hold plain numbers
    within = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
    return Check(name, value, limit, within)


def failing(checks: Sequence[Check]) -> tuple[str, ...]:
    """One sentence per failed check."""
    return tuple(str(check) for check in checks if not check.passed)


def inspect(  # noqa: PLR0913 - two images, what was to stay, limits, and what is known already
    source: Volume,
    variant: Volume,
    protected: Mask,
    window: Window,
    measured: Mapping[str, float],
    limits: Mapping[str, Limits],
    known: Baseline | None = None,
    differs: Mask | None = None,
) -> tuple[Check, ...]:
    """Take every figure of a variant.

    Args:
        source: what it was made from.
        variant: on the same grid.
        protected: (k, i, j), True where the variant had to keep the source's stored numbers.
        window: what was presented to the prior.
        measured: figures that were taken elsewhere, by name, such as ``observed_residual``.
        limits: limits by name, in place of the defaults.
        known: the baseline of this source, these protected voxels and this window where it was taken before.
        differs: (k, i, j), where the stored numbers of both differ, bit for bit, where that was taken before.

    Raises:
        ValueError: a limit or a figure is for a check that doesn't exist.
    """
    if unknown := sorted({*limits, *measured} - {*DEFAULT_LIMITS}):
        raise ValueError(f"expected checks of {', '.join(DEFAULT_LIMITS)}, found {', '.join(unknown)}")
    pair = Pair(source, variant, protected, window, known, differs)
    bounds = {**DEFAULT_LIMITS, **limits}
    with np.errstate(invalid="ignore", over="ignore"):  # what comes of it is no finite number, and fails
        values = {name: take(pair) for name, take in FIGURES.items()} | dict(measured)
    return tuple(judged(name, value, bounds[name]) for name, value in values.items())
