"""One training: its images put together, the detector trained, its predictions judged, all of it recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from medaug.benchmark.arms.arm import Material
from medaug.benchmark.arms.arm_table import chosen
from medaug.benchmark.design.design import Design, Training
from medaug.benchmark.design.folds import Fold, folds_of, given_fold, normals_of, subset
from medaug.benchmark.detectors.detector import Detector, Task, TrainingPhase
from medaug.benchmark.evaluation import Boxes, Figures, as_data, figures, from_data
from medaug.benchmark.images.dataset import Dataset, Picture
from medaug.benchmark.results_folder import TrainingRecord
from medaug.errors import RunError
from medaug.imaging.seeds import seed_for

Making = Callable[[Picture, int], Picture | None]


def nothing_made(_training: Training) -> Making:
    """Before anything is."""
    return lambda _picture, _number: None


@dataclass(frozen=True, eq=False)
class BenchmarkSetup:
    """Everything a training is put together from.

    Attributes:
        design: what is compared.
        data: the images.
        made: where the images that the package made for a training are found.
    """

    design: Design
    data: Dataset
    made: Callable[[Training], Making] = nothing_made

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """Of the labelled images."""
        return self.data.groups[: len(self.data.labelled)]

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Who is trained on, and who tested."""
        if self.design.parts:
            return (given_fold(self.data.parts[: len(self.groups)], self.groups),)
        return folds_of(self.groups, self.design.folds, self.design.seed)

    def real(self, training: Training) -> tuple[int, ...]:
        """Places of a training's real images: drawn anew for each seed, the same in every arm."""
        fold = self.folds[training.fold]
        names = (self.design.seed, training.fold, training.seed)
        return subset(self.groups, fold.training, training.setting.fraction, *names)

    def trained_on(self, training: Training) -> set[str]:
        """Keys of a training's real images, of which everything else in it must be made."""
        return {self.data.labelled[n].source for n in self.real(training)}

    def sources(self, arm: str) -> set[str]:
        """Keys of the images that an arm's trainings are made from."""
        return set().union(*(self.trained_on(one) for one in self.design.trainings if one.setting.arm == arm))

    def parts(self, fold: Fold) -> dict[str, tuple[Picture, ...]]:
        """The images that boxes are found on, by part."""
        normals = normals_of(self.data.groups, len(self.data.labelled), fold)
        if self.design.parts:
            normals = tuple(n for n in normals if self.data.parts[n] == "test")
        return {
            "validation": tuple(self.data.labelled[n] for n in fold.validation),
            "test": tuple(self.data.labelled[n] for n in fold.test),
            "normals": tuple(self.data.everything[n] for n in normals),
        }


def train(setup: BenchmarkSetup, training: Training, detector: Detector) -> TrainingRecord:
    """Do one training.

    Raises:
        RunError: the detector can't.
    """
    began = time.monotonic()
    design, setting = setup.design, training.setting
    places = setup.real(training)
    real = [setup.data.labelled[n] for n in places]
    added = add(setup, training, real)
    parts = setup.parts(setup.folds[training.fold])
    targets = [picture for some in parts.values() for picture in some]
    trained = detector.train(
        Task(
            added.phases(real),
            design.steps,
            seed_for("training", design.seed, training.fold, training.seed),
            parts["validation"],
            targets,
            len(setup.data.classes),
        )
    )
    predictions = dict(zip((picture.source for picture in targets), trained.found, strict=True))
    results = {part: as_data({p.source: predictions[p.source] for p in some}) for part, some in parts.items()}
    return TrainingRecord(
        training.id,
        setting.arm,
        setting.fraction,
        setting.ratio,
        training.fold,
        training.seed,
        design.steps,
        places,
        tuple((picture.source, picture.digest) for picture in added.pictures),
        added.refused,
        trained.curve,
        judged(setup, training.fold, results),
        results,
        round(time.monotonic() - began, 1),
    )


@dataclass(frozen=True)
class Added:
    """What a training adds to its real images.

    Attributes:
        first: trained on alone in the first half of the steps; of an arm of one phase none.
        beside: trained on beside the real images.
        refused: how many are their source because nothing that was made passed the gate.
    """

    first: tuple[Picture, ...]
    beside: tuple[Picture, ...]
    refused: int

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All of them, in the order in which they are trained on."""
        return (*self.first, *self.beside)

    def phases(self, real: Sequence[Picture]) -> list[TrainingPhase]:
        """What is trained on, and for which share of the steps."""
        if not self.first:
            return [TrainingPhase([*real, *self.beside], 1.0)]
        return [TrainingPhase(self.first, 0.5), TrainingPhase([*real, *self.beside], 0.5)]


def add(setup: BenchmarkSetup, training: Training, real: Sequence[Picture]) -> Added:
    """The images that a training's arm adds.

    Raises:
        RunError: one was made from an image that isn't trained on: it would show the detector what it is tested on.
    """
    setting, refused = training.setting, []
    seed = seed_for("turns", setup.design.seed, training.fold, training.seed)

    making = setup.made(training)

    def made(picture: Picture, number: int) -> Picture | None:
        found = making(picture, number)
        refused.extend([] if found else [picture.source])
        return found

    arm = chosen(setting.arm).arm
    material = Material(real, round(setting.ratio * len(real)), seed, made)
    first, beside = (tuple(adding(material)) if adding else () for adding in (arm.first, arm.add))
    if {picture.source for picture in (*first, *beside)} - {picture.source for picture in real}:
        raise RunError(f"benchmark: arm {setting.arm!r} would train on an image of another part; please report it")
    return Added(first, beside, len(refused))


def judged(setup: BenchmarkSetup, fold: int, results: Mapping[str, Sequence[Mapping[str, object]]]) -> Figures:
    """The figures of predictions as they are stored, so that whoever reads them again gets the same."""
    parts = setup.parts(setup.folds[fold])
    predictions = {part: by_image(results[part], some) for part, some in parts.items()}
    labels = {part: [picture.boxes for picture in some] for part, some in parts.items()}
    test, validation = ((labels[part], predictions[part]) for part in ("test", "validation"))
    return figures(test, validation, predictions["normals"], len(setup.data.classes))


def by_image(results: Sequence[Mapping[str, object]], pictures: Sequence[Picture]) -> list[Boxes]:
    """Stored predictions in the order of the pictures."""
    names = [picture.source for picture in pictures]
    found = from_data(results, names)
    return [found[name] for name in names]
