"""A detector for screening: features that stay as they are, taken once an image, and a small head that is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medaug.benchmark.detectors import fcos
from medaug.benchmark.detectors.detector import Point, Speed, Task, Trained, TrainingPhase
from medaug.benchmark.detectors.features import Backbone, FeatureCache, Maps
from medaug.benchmark.evaluation import Boxes, ap50, matched
from medaug.benchmark.images.dataset import Picture
from medaug.imaging.seeds import generator
from medaug.inverse.device import resolve_device

BATCH = 8
RATE = 2e-3
DECAY = 1e-2
POINTS = 5  # of the curve


class Frozen:
    """A head trained on features of a backbone that stays as it is."""

    def __init__(self, backbone: Backbone, cache: Path) -> None:
        self._backbone, self._features = backbone, FeatureCache(backbone, cache)

    @property
    def name(self) -> str:
        """As on the command line."""
        return self._backbone.name

    @property
    def speed(self) -> Speed:
        """For the plan's estimate."""
        return self._backbone.speed

    @property
    def identity(self) -> dict[str, str]:
        """The backbone's weights and the head's settings."""
        settings = f"FCOS head with {fcos.DISTANCES} around, batch {BATCH}, AdamW {RATE:g}, decay {DECAY:g}, cosine"
        return {"features": self._backbone.identity, "head": settings, "device": resolve_device("auto")}

    def train(self, task: Task) -> Trained:
        """Train the head, and find boxes on the targets."""
        with torch.random.fork_rng(devices=[]):  # for the first weights and for what is dropped out
            torch.manual_seed(task.seed % 2**63)
            head = fcos.Head(self._backbone.channels, task.classes)
            curve = tuple(self._curve(head, task))
        return Trained(tuple(self._found(head, task.targets)), curve)

    def _curve(self, head: fcos.Head, task: Task) -> Iterator[Point]:
        """Train, and tell now and then how far it is."""
        since: list[tuple[float, float]] = []
        for step, losses in enumerate(self._steps(head, task), 1):
            since.append(losses)
            if step % max(1, task.steps // POINTS) == 0:
                yield self._point(head, step, since, task)
                since = []

    def _steps(self, head: fcos.Head, task: Task) -> Iterator[tuple[float, float]]:
        """Each gradient step's losses, of the boxes and of the classes."""
        optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.steps)
        drawn = generator("order", task.seed)
        for number, (stage, steps) in enumerate(shares(task)):
            maps = [self._features(one.pixels) for one in stage.pictures]
            if number == 0:
                head.fit(maps)
            size = len(stage.pictures[0].pixels)
            targets = [fcos.targets_of(one.boxes, size, task.classes) for one in stage.pictures]
            for batch in batches(len(stage.pictures), steps, BATCH, drawn):
                of_boxes, of_classes = _losses(head, [maps[n] for n in batch], [targets[n] for n in batch], drawn)
                optimizer.zero_grad()
                (of_boxes + of_classes).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                yield float(of_boxes.detach()), float(of_classes.detach())

    def _point(self, head: fcos.Head, step: int, since: Sequence[tuple[float, float]], task: Task) -> Point:
        found = list(self._found(head, task.validation))
        matches = matched([one.boxes for one in task.validation], found, task.classes)
        reached = float(ap50(matches, np.ones((1, len(found))))[0])
        of_boxes, of_classes = np.mean(since, axis=0)
        return Point(step, round(float(of_boxes), 5), round(float(of_classes), 5), round(reached, 5))

    @torch.no_grad()
    def _found(self, head: fcos.Head, pictures: Sequence[Picture]) -> Iterator[Boxes]:
        head.eval()
        for picture in pictures:
            merged = head.merged([level[None] for level in self._features(picture.pixels)])
            places = torch.arange(merged.shape[1] * merged.shape[2])
            yield fcos.decoded(*head(merged, torch.zeros_like(places), places))
        head.train()


def _losses(
    head: fcos.Head, maps: Sequence[Maps], targets: Sequence[fcos.Targets], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Of a sample of the places of some pictures."""
    drawn = [fcos.sampled(one, rng) for one in targets]
    wanted = fcos.Targets(
        torch.cat([one.classes[places] for one, (places, _) in zip(targets, drawn, strict=True)]),
        torch.cat([one.sides[places] for one, (places, _) in zip(targets, drawn, strict=True)]),
    )
    merged = head.merged([torch.stack(level) for level in zip(*maps, strict=True)])
    images = torch.repeat_interleave(torch.tensor([len(places) for places, _ in drawn]))
    found = head(merged, images, torch.cat([places for places, _ in drawn]))
    return fcos.losses(found, wanted, torch.cat([weights for _, weights in drawn]))


def shares(task: Task) -> list[tuple[TrainingPhase, int]]:
    """The steps of each stage; what rounding leaves goes to the last."""
    stages = [stage for stage in task.stages if stage.pictures]
    steps = [round(stage.share * task.steps) for stage in stages[:-1]]
    return list(zip(stages, [*steps, task.steps - sum(steps)], strict=True))


def batches(count: int, steps: int, size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Pictures in drawn order, over and over; each comes once before any comes again."""
    waiting: list[int] = []
    for _ in range(steps):
        while len(waiting) < size:
            waiting += rng.permutation(count).tolist()
        yield waiting[:size]
        waiting = waiting[size:]
