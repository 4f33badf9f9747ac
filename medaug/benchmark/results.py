"""From the records of all trainings to the table, the contrasts with their intervals, and the curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medaug.benchmark import statistics
from medaug.benchmark.design.design import Contrast, Setting
from medaug.benchmark.evaluation import RATES, SIZES, Matches, ap50, matched
from medaug.benchmark.results_folder import TrainingRecord
from medaug.benchmark.statistics import Float64, PairedTraining
from medaug.benchmark.training import BenchmarkSetup, by_image

DIGITS = 5
Records = Mapping[Setting, Sequence[TrainingRecord]]


@dataclass(frozen=True, eq=False)
class Scored:
    """AP50 of one training's test images under weights on their groups; kept, since contrasts share draws.

    Attributes:
        matches: of the test images.
        places: of each test image, which of the fold's groups it belongs to.
        known: what was asked before.
    """

    matches: tuple[Matches, ...]
    places: np.ndarray
    known: dict[int, Float64]

    def __call__(self, weights: Float64) -> Float64:
        """(resamples, groups) → (resamples,)."""
        asked = hash(weights.tobytes())
        if asked not in self.known:
            self.known[asked] = ap50(self.matches, weights[:, self.places])
        return self.known[asked]


def results_of(setup: BenchmarkSetup, records: Iterable[TrainingRecord]) -> dict[str, Any]:
    """Everything that is reported, as JSON data.

    Args:
        setup: the design and the images' labels.
        records: the trainings that are done, in any order.
    """
    by_setting: dict[Setting, list[TrainingRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (one.fold, one.seed)):
        by_setting[Setting(record.arm, record.fraction, record.ratio)].append(record)
    scored = {one.id: _scored(setup, one) for some in by_setting.values() for one in some}
    design, done = setup.design, sum(map(len, by_setting.values()))
    others = [(contrast, _effect(setup, contrast, by_setting, scored)) for contrast in design.others]
    tested = [(contrast, found) for contrast, found in others if found is not None]
    adjusted = statistics.holm([found.p for _, found in tested])
    return {
        "trainings": {"done": done, "of": len(list(design.trainings))},
        "design": design.data,
        "images": {"labelled": len(setup.data.labelled), "normal": len(setup.data.normals)},
        "groups": len(set(setup.groups)),
        "real": _spread([len(one.real) for some in by_setting.values() for one in some]),
        "settings": [_row(setting, by_setting[setting]) for setting in design.settings if by_setting.get(setting)],
        "primary": _told(design.primary, _effect(setup, design.primary, by_setting, scored), None),
        "others": [_told(c, found, p) for (c, found), p in zip(tested, adjusted, strict=True)],
        "curves": [_curve(setting, by_setting[setting]) for setting in design.settings if by_setting.get(setting)],
    }


def _scored(setup: BenchmarkSetup, record: TrainingRecord) -> Scored:
    pictures = setup.parts(setup.folds[record.fold])["test"]
    matches = matched(
        [one.boxes for one in pictures], by_image(record.found["test"], pictures), len(setup.data.classes)
    )
    return Scored(matches, _groups(setup, record.fold), {})


def _groups(setup: BenchmarkSetup, fold: int) -> np.ndarray:
    """The group of each test image of a fold, from 0."""
    groups = [setup.groups[n] for n in setup.folds[fold].test]
    return np.unique(groups, return_inverse=True)[1]


def _effect(
    setup: BenchmarkSetup, contrast: Contrast, records: Records, scored: Mapping[str, Scored]
) -> statistics.Effect | None:
    """None as long as a fold has fewer than two seeds of both."""
    controls = {(one.fold, one.seed): one for one in records.get(contrast.control, ())}
    pairs = [
        PairedTraining(one.fold, one.seed, scored[one.id], scored[controls[one.fold, one.seed].id])
        for one in records.get(contrast.arm, ())
        if (one.fold, one.seed) in controls
    ]
    groups = {fold: int(_groups(setup, fold).max()) + 1 for fold in {pair.fold for pair in pairs}}
    try:
        return statistics.effect(pairs, groups, setup.design.seed)
    except ValueError:
        return None


def _told(contrast: Contrast, found: statistics.Effect | None, adjusted: float | None) -> dict[str, Any]:
    told: dict[str, Any] = {"arm": asdict(contrast.arm), "control": asdict(contrast.control)}
    if found is None:
        return told | {"estimate": None}
    low, high = found.interval
    figures = {
        "estimate": found.estimate,
        "low": low,
        "high": high,
        "p": found.p,
        "error": found.error,
        "seed_error": found.seed_error,
        "freedom": found.freedom,
        "detectable": found.detectable,
    }
    told |= {name: round(value, DIGITS) for name, value in figures.items()}
    told |= {"seeds": found.seeds, "seeds_for_003": found.seeds_for(0.03)}
    return told if adjusted is None else told | {"holm": round(adjusted, DIGITS)}


def _row(setting: Setting, records: Sequence[TrainingRecord]) -> dict[str, Any]:
    """Means over folds and seeds, and how much a training differs from the next within a fold."""
    each = [one.figures for one in records]
    by_fold: dict[int, list[float]] = defaultdict(list)
    for one in records:
        by_fold[one.fold].append(one.figures.ap50)
    variances = [np.var(some, ddof=1) for some in by_fold.values() if len(some) > 1]
    sizes = {
        name: _mean([one.by_size[n] for one in each if one.by_size[n] is not None]) for n, name in enumerate(SIZES)
    }
    return {
        **asdict(setting),
        "trainings": len(records),
        "ap50": _mean([one.ap50 for one in each]),
        "ap50_seeds": round(float(np.sqrt(np.mean(variances))), DIGITS) if variances else None,
        "ap": _mean([one.ap for one in each]),
        "by_size": sizes,
        "f1": _mean([one.f1 for one in each]),
        "froc": {f"{rate:g}": _mean([one.froc[n] for one in each]) for n, rate in enumerate(RATES)},
        "refused": sum(one.refused for one in records),
        "added": sum(len(one.added) for one in records),
    }


def _curve(setting: Setting, records: Sequence[TrainingRecord]) -> dict[str, Any]:
    """Means over all trainings of a setting at each gradient step."""
    points: dict[int, list[Any]] = defaultdict(list)
    for record in records:
        for point in record.curve:
            points[point.step].append(point)
    named = ("box_loss", "objectness_loss", "ap50")
    mean = {
        step: {name: _mean([v for one in some if (v := getattr(one, name)) is not None]) for name in named}
        for step, some in sorted(points.items())
    }
    return {**asdict(setting), "points": [{"step": step, **values} for step, values in mean.items()]}


def _mean(values: Sequence[float | None]) -> float | None:
    return round(float(np.mean([v for v in values if v is not None])), DIGITS) if values else None


def _spread(values: Sequence[int]) -> list[int]:
    return [min(values), max(values)] if values else []
