"""One protocol for every detector: train on pictures with boxes for a number of gradient steps, then find boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture


@dataclass(frozen=True, eq=False)
class TrainingPhase:
    """A stretch of a training.

    Attributes:
        pictures: what is drawn from, each as often as any other.
        share: of the gradient steps; the shares of a training add up to 1.
    """

    pictures: Sequence[Picture]
    share: float


@dataclass(frozen=True, eq=False)
class Task:
    """One training.

    Attributes:
        stages: in order.
        steps: gradient steps over all stages, the same for every arm.
        seed: of the first weights and the order of the pictures, the same for every arm.
        validation: labelled pictures on which the curve is taken.
        targets: what boxes are to be found on in the end; their labels are for nobody but `figures`.
        classes: how many.
    """

    stages: Sequence[TrainingPhase]
    steps: int
    seed: int
    validation: Sequence[Picture]
    targets: Sequence[Picture]
    classes: int


@dataclass(frozen=True)
class Point:
    """A training at one gradient step; a figure that the detector doesn't tell is None.

    Attributes:
        step: gradient steps done.
        box_loss: of the boxes' sides, mean since the last point.
        objectness_loss: of being a lesion, likewise.
        ap50: on the validation images.
    """

    step: int
    box_loss: float | None
    objectness_loss: float | None
    ap50: float | None


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training came to: boxes for each target, and its curve."""

    found: tuple[Boxes, ...]
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class Speed:
    """Seconds on one core of a common processor, for the plan's estimate.

    Attributes:
        picture: each new picture, once.
        step: a gradient step.
    """

    picture: float
    step: float


class Detector(Protocol):
    """A way to train and predict; deterministic on one machine."""

    @property
    def name(self) -> str:
        """As on the command line."""

    @property
    def speed(self) -> Speed:
        """For the plan's estimate."""

    @property
    def identity(self) -> dict[str, str]:
        """What decides its results beside the task: versions, digests of weights."""

    def train(self, task: Task) -> Trained:
        """Train, and find boxes on the targets."""
