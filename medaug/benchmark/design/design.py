"""What a benchmark is to compare, settled before anything is trained, and every training that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from medaug.benchmark.arms.arm_table import CONTROL, Chosen, chosen
from medaug.errors import RunError
from medaug.storage.canonical_json import canonical

PRIMARY = "medaug"
WITH_NAIVE = ("naive+", "pretraining+naive")  # arms of variants and naive copies, which are held to naive copies alone
SEEDS = 2  # fewer say nothing about how much a training differs by chance


@dataclass(frozen=True)
class Setting:
    """One arm at one size: a row of the report's table.

    Attributes:
        arm: as the user named it.
        fraction: of the real training images, in (0, 1].
        ratio: added images for each real one; 0 where the arm adds none.
    """

    arm: str
    fraction: float
    ratio: float


@dataclass(frozen=True)
class Training:
    """A setting, trained once."""

    setting: Setting
    fold: int
    seed: int

    @property
    def id(self) -> str:
        """Names its file."""
        return hashlib.sha256(canonical(asdict(self))).hexdigest()[:16]


@dataclass(frozen=True)
class Contrast:
    """An arm less its control, both at one fraction and ratio."""

    arm: Setting
    control: Setting


@dataclass(frozen=True)
class Design:
    """What is compared.

    Attributes:
        arms: as named on the command line.
        fractions: of the real training images.
        ratios: added images for each real one.
        seeds: trainings of a setting in each fold; each draws its own training set.
        folds: how often the images are dealt anew to training and test.
        steps: gradient steps of each training.
        size: side of the pictures in px.
        detector: its name.
        seed: of folds, subsets and turns.
        parts: whether the user gives training, validation and test, which are the one fold then.
        declared: the arm whose difference to duplicates is the primary contrast.

    Raises:
        RunError: it makes no sense.
    """

    arms: tuple[str, ...] = ("real", CONTROL, "naive", PRIMARY, "naive+medaug")
    fractions: tuple[float, ...] = (0.25,)
    ratios: tuple[float, ...] = (1.0,)
    seeds: int = 3
    folds: int = 3
    steps: int = 400
    size: int = 320
    detector: str = "frozen"
    seed: int = 0
    parts: bool = False
    declared: str = field(default=PRIMARY, metadata={"optional": True})

    def __post_init__(self) -> None:
        _ = self.chosen
        if len(set(self.arms)) < len(self.arms) or not {self.declared, CONTROL} <= set(self.arms):
            raise RunError(f"benchmark: arms: expected {self.declared} and {CONTROL} among them, and each once")
        if self.declared in {CONTROL, "real"}:
            raise RunError(f"benchmark: expected another arm than {self.declared} to be compared with {CONTROL}")
        if self.seeds < SEEDS or (self.folds < 2) != self.parts:
            raise RunError(
                f"benchmark: expected at least {SEEDS} seeds, and 2 folds or one by given parts, found {self.seeds}, "
                f"{self.folds}"
            )
        if not all(0 < fraction <= 1 for fraction in self.fractions) or not all(0 < r <= 16 for r in self.ratios):
            raise RunError("benchmark: expected fractions in (0, 1] and ratios in (0, 16]")
        if not self.fractions or not self.ratios or self.steps < 1 or not 64 <= self.size <= 1024 or self.size % 32:
            raise RunError("benchmark: expected a fraction, a ratio, 1 step or more, a size of 64 to 1024 in 32s")

    @property
    def data(self) -> dict[str, Any]:
        """As it is written; the usual primary contrast isn't spelled out, so that older folders stay what they were."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("declared", PRIMARY)}

    @property
    def chosen(self) -> tuple[Chosen, ...]:
        """The arms with their rows."""
        return tuple(chosen(text) for text in self.arms)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every arm at every size; real images alone have no ratio."""
        return tuple(
            Setting(text, fraction, ratio)
            for fraction in self.fractions
            for text in self.arms
            for ratio in ((0.0,) if text == "real" else self.ratios)
        )

    @property
    def trainings(self) -> Iterator[Training]:
        """All of them, seed by seed, so that one which is stopped has compared every arm on the seeds that are done."""
        for seed in range(self.seeds):
            for fold in range(self.folds):
                yield from (Training(setting, fold, seed) for setting in self.settings)

    @property
    def primary(self) -> Contrast:
        """The one that is declared beforehand: the smallest fraction, and the ratio nearest to 1."""
        fraction, ratio = min(self.fractions), min(self.ratios, key=lambda r: abs(r - 1))
        return Contrast(Setting(self.declared, fraction, ratio), Setting(CONTROL, fraction, ratio))

    @property
    def others(self) -> tuple[Contrast, ...]:
        """The rest, which Holm's correction covers: each arm less duplicates; mixtures with naive less naive, too."""
        contrasts = []
        for setting in self.settings:
            ratio = setting.ratio or self.primary.arm.ratio
            if setting.arm != CONTROL:
                contrasts.append(Contrast(setting, Setting(CONTROL, setting.fraction, ratio)))
            if setting.arm.startswith(WITH_NAIVE) and "naive" in self.arms:
                contrasts.append(Contrast(setting, Setting("naive", setting.fraction, ratio)))
        return tuple(contrast for contrast in contrasts if contrast != self.primary)

    def within(self, seconds: float, cost: float, per_training: float) -> Design:
        """The design that fits a budget: fewer seeds first, then fewer arms, from the last; never the primary ones.

        Args:
            seconds: what there is.
            cost: of everything but trainings.
            per_training: of one.
        """
        fitted = self
        while cost + per_training * len(list(fitted.trainings)) > seconds:
            spare = [text for text in fitted.arms if text not in {self.declared, CONTROL}]
            if fitted.seeds > SEEDS:
                fitted = replace(fitted, seeds=fitted.seeds - 1)
            elif spare:
                fitted = replace(fitted, arms=tuple(text for text in fitted.arms if text != spare[-1]))
            else:
                return fitted
        return fitted
