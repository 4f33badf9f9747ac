"""The rule that chooses a profile's solver, steps, start and closing from measured rows. Used by the fronts beside it.

The order is that of the project's goals; every limit is another row's figure or the measured spread. Which rows stand
for choice was set by hand. `RULE` is what the documents say, before their tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medaug.quality import DEFAULT_LIMITS

RULE = """\
Boxes are kept exactly by every solver, so no row can lose on lesion integrity. Of the rows of solvers in the package:

1. **Clean**: the medians of seam, sharpness and noise lie inside the gate's default limits, in every series where
   the images are slices.
2. **Calm**: the median of mottle, in every series, is at most 1. *Mottle* is what a variant adds where its source is
   calm (the calmest quarter of blocks of 16 px, at the scale of blotches of 8 to 24 px), over what is there: above 1
   the change outweighs the tissue's own texture. Where no row is, those that can't be told from the calmest one.
3. **Consistent**, where the images are slices: the median of through-plane lies inside the gate's limits (0.8 to 1.2)
   in every series.
4. **Faithful to the measurement**: the residual as delivered is no worse than that of the public code's arithmetic
   at 1000 steps (`upstream`), geometric mean of the ratios image by image. Where no row is, those that can't be told
   from the most faithful one.
5. **Realistic**: the distance to *other* real images can't be told from the least one that is left. The distance to
   the source itself falls to 0 as less is changed, so it would choose the variant that is none.
6. **Not told by the judge**, where there are images for it: an AUC of at most 0.60, and nine in ten variants pass the
   gate. Rows are asked from the most varied one down, until one holds; what is more varied than that is out.
7. **Varied**: the diversity can't be told from the greatest one that is left.
8. **Cheap**: the fewest FLOPs; of rows that cost the same, the most faithful. The judge is asked of it, too, and the
   next is taken where it doesn't hold.

*Can't be told*: rows have their images and seeds in common, so they are compared pair by pair. A row can be told from
the best one where the mean of its differences is on the same side of 0 in 97.5 % of bootstraps over images, and over
seeds within an image. Neighbouring slices are near-copies of one another, so they are drawn together.
"""
UNSURE = 0.025
MOST_TOLD = 0.60  # AUC
DRAWS = 2000

Figures = npt.NDArray[np.float64]


LIMITS = {key: DEFAULT_LIMITS[key] for key in ("seam", "sharpness", "noise", "through_plane")}
LIMITS["mottle"] = (None, 1.0)


@dataclass(frozen=True)
class Among:
    """What images have in common.

    Attributes:
        series: of each draw; none where all images are of one kind.
        neighbours: images in a row that are one draw: slices that lie side by side.
    """

    series: tuple[str, ...] = ()
    neighbours: int = 1


ALONE = Among()


@dataclass(frozen=True)
class Choice:
    """What the rule chose, and what was left after each of its steps: a sentence and the rows' names."""

    name: str
    stages: tuple[tuple[str, tuple[str, ...]], ...]


def chosen(
    rows: Mapping[str, Mapping], upstream: list[float], among: Among = ALONE, auc: Callable[[str], float] | None = None
) -> Choice:
    """Apply `RULE`.

    Args:
        rows: by name; ``images`` holds, of each figure, its values by image and by seed, and ``TFLOP`` the cost.
        upstream: residual as delivered, by draw (of its first image); of the first draws where not measured on all.
        among: what the images have in common.
        auc: the judge's, of a row; asked of few. None where nothing is judged.
    """
    clean = [name for name, row in rows.items() if _inside(("seam", "sharpness", "noise"), row, among)]
    stages = [("inside the gate's limits", clean)]
    if not clean:
        raise ValueError(f"solver_rule: expected a row inside the gate's limits, found none of {len(rows)}")
    told, calm = "mottle at most 1", [name for name in clean if _inside(("mottle",), rows[name], among)]
    if not calm:
        told, calm = _tied({name: rows[name] for name in clean}, "mottle", among, least=True)
    stages += [(told, calm)]
    if among.neighbours > 1:
        calm = [name for name in calm if _inside(("through_plane",), rows[name], among)]
        stages += [("through-plane inside the gate's limits", calm)]
    if not calm:
        raise ValueError("solver_rule: expected a calm row whose slices agree, found none")
    ratios = {name: faithfulness(rows[name], upstream, among) for name in calm}
    faithful = [name for name in calm if ratios[name] <= 1]
    told = "no worse than upstream's residual"
    if not faithful:
        told, faithful = _tied({name: rows[name] for name in calm}, "delivered", among, least=True)
    nearest, near = _tied({name: rows[name] for name in faithful}, "distance", among, least=True)
    stages += [(told, faithful), (nearest, near)]
    if auc:
        near = _not_told(near, rows, auc)
        stages += [(f"the most varied at an AUC of at most {MOST_TOLD:.2f}, and what is less varied", near)]
    most, varied = _tied({name: rows[name] for name in near}, "diversity", among, least=False)
    varied.sort(key=lambda name: (rows[name]["TFLOP"], ratios[name]))
    name = next((name for name in varied if auc is None or auc(name) <= MOST_TOLD), None)
    stages += [(most, varied)]
    return Choice(name or min(varied, key=auc), tuple((stage, tuple(left)) for stage, left in stages))


def _not_told(names: Sequence[str], rows: Mapping[str, Mapping], auc: Callable[[str], float]) -> list[str]:
    """From the most varied row that the judge can't tell down; where there is none, the one told least often."""
    falling = sorted(names, key=lambda name: -mean(rows[name], "diversity"))
    for first, name in enumerate(falling):
        if auc(name) <= MOST_TOLD:
            return falling[first:]
    return [min(falling, key=auc)]


def faithfulness(row: Mapping, upstream: list[float], among: Among = ALONE) -> float:
    """Geometric mean over upstream's images of the residual as delivered over upstream's."""
    own = np.mean(row["images"]["delivered"], axis=1)[:: among.neighbours][: len(upstream)]
    return float(np.exp(np.mean(np.log(own / np.asarray(upstream)))))


def drawn(row: Mapping, key: str, among: Among = ALONE) -> Figures:
    """(draws, seeds): the mean over the images of a draw, which some figures have only one of."""
    values = np.asarray(row["images"][key], dtype=np.float64)
    return (
        values if key == "through_plane" else np.nanmean(values.reshape(-1, among.neighbours, values.shape[1]), axis=1)
    )


def medians(row: Mapping, key: str, among: Among = ALONE) -> dict[str, float]:
    """Series → median over its images and seeds; an image that has none of a figure (None) is left out."""
    values = np.asarray(row["images"][key], dtype=np.float64)
    names = np.asarray(among.series or [""] * len(values))
    names = names if len(names) == len(values) else np.repeat(names, among.neighbours)
    return {name: float(np.nanmedian(values[names == name])) for name in dict.fromkeys(names.tolist())}


def mean(row: Mapping, key: str) -> float:
    return float(np.nanmean(np.asarray(row["images"][key], dtype=np.float64)))


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


def _inside(keys: Sequence[str], row: Mapping, among: Among) -> bool:
    return all(_within(LIMITS[key], value) for key in keys for value in medians(row, key, among).values())


def _within(limit: tuple[float | None, float | None], value: float) -> bool:
    low, high = limit
    return bool(np.isfinite(value)) and (low is None or value >= low) and (high is None or value <= high)


def _tied(rows: Mapping[str, Mapping], key: str, among: Among, *, least: bool) -> tuple[str, list[str]]:
    """What can't be told from the best row: a sentence, and the names."""
    sign = 1.0 if least else -1.0
    values = {name: sign * drawn(row, key, among) for name, row in rows.items()}
    best = min(values, key=lambda name: values[name].mean())
    tied = [name for name in rows if np.quantile(bootstraps(values[name] - values[best]), UNSURE) <= 0]
    return f"{key} not told from {mean(rows[best], key):.4f}, {best}", tied
