"""The rule that chooses a profile's solver, steps, start and closing from measured rows. Used by the fronts beside it.

The order is that of the project's goals; every limit is another row's figure or the measured spread. Which rows stand
for choice was set by hand. `RULE` is what the documents say, before their tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medaug.quality import DEFAULT_LIMITS

RULE = """\
Boxes are kept exactly by every solver, so no row can lose on lesion integrity. Of the rows of solvers in the package:

1. **Clean**: the medians of seam, sharpness and noise lie inside the gate's default limits.
2. **Faithful to the measurement**: the residual as delivered is no worse than that of the public code's arithmetic
   at 1000 steps (`upstream`), geometric mean of the ratios image by image. Where no row is, those that can't be told
   from the most faithful one.
3. **Realistic**: the distance to *other* real images can't be told from the least one that is left. The distance to
   the source itself falls to 0 as less is changed, so it would choose the variant that is none.
4. **Varied**: the diversity can't be told from the greatest one that is left.
5. **Cheap**: the fewest FLOPs; of rows that cost the same, the most faithful.

*Can't be told*: rows have their images and seeds in common, so they are compared pair by pair. A row can be told from
the best one where the mean of its differences is on the same side of 0 in 97.5 % of bootstraps over images, and over
seeds within an image.
"""
UNSURE = 0.025
DRAWS = 2000

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What the rule chose, and what was left after each of its steps: a sentence and the rows' names."""

    name: str
    stages: tuple[tuple[str, tuple[str, ...]], ...]


def chosen(rows: Mapping[str, Mapping], upstream: list[float]) -> Choice:
    """Apply `RULE`.

    Args:
        rows: by name; ``images`` holds, of each figure, its values by image and by seed, and ``TFLOP`` the cost.
        upstream: residual as delivered, by image; of the first images where it wasn't measured on all.
    """
    clean = [name for name, row in rows.items() if all(_inside(key, row) for key in ("seam", "sharpness", "noise"))]
    if not clean:
        raise ValueError(f"solver_rule: expected a row inside the gate's limits, found none of {len(rows)}")
    ratios = {name: faithfulness(rows[name], upstream) for name in clean}
    faithful = [name for name in clean if ratios[name] <= 1]
    told = "no worse than upstream's residual"
    if not faithful:
        told, faithful = _tied({name: rows[name] for name in clean}, "delivered", least=True)
    nearest, near = _tied({name: rows[name] for name in faithful}, "distance", least=True)
    most, varied = _tied({name: rows[name] for name in near}, "diversity", least=False)
    cheapest = min(varied, key=lambda name: (rows[name]["TFLOP"], ratios[name]))
    stages = (
        ("inside the gate's limits", tuple(clean)),
        (told, tuple(faithful)),
        (nearest, tuple(near)),
        (most, tuple(varied)),
    )
    return Choice(cheapest, stages)


def faithfulness(row: Mapping, upstream: list[float]) -> float:
    """Geometric mean over upstream's images of the residual as delivered over upstream's."""
    own = np.mean(row["images"]["delivered"], axis=1)[: len(upstream)]
    return float(np.exp(np.mean(np.log(own / np.asarray(upstream)))))


def mean(row: Mapping, key: str) -> float:
    return float(np.mean(row["images"][key]))


def median(row: Mapping, key: str) -> float:
    return float(np.median(row["images"][key]))


def standard_error(values: Figures) -> float:
    """Of the mean of (images, seeds): the standard deviation of its bootstraps."""
    return float(bootstraps(values).std())


def bootstraps(values: Figures) -> Figures:
    """(DRAWS,) means of (images, seeds), images drawn with replacement and a seed anew for each."""
    draw = np.random.default_rng(0)
    images, seeds = values.shape
    which = draw.integers(images, size=(DRAWS, images))
    means: Figures = values[which, draw.integers(seeds, size=(DRAWS, images))].mean(axis=1)
    return means


def _inside(key: str, row: Mapping) -> bool:
    low, high = DEFAULT_LIMITS[key]
    return (low is None or median(row, key) >= low) and (high is None or median(row, key) <= high)


def _tied(rows: Mapping[str, Mapping], key: str, *, least: bool) -> tuple[str, list[str]]:
    """What can't be told from the best row: a sentence, and the names."""
    sign = 1.0 if least else -1.0
    values = {name: sign * np.asarray(row["images"][key], dtype=np.float64) for name, row in rows.items()}
    best = min(values, key=lambda name: values[name].mean())
    tied = [name for name in rows if np.quantile(bootstraps(values[name] - values[best]), UNSURE) <= 0]
    return f"{key} not told from {mean(rows[best], key):.4f}, {best}", tied
