from __future__ import annotations

from pathlib import Path

import numpy as np

from medaug.benchmark.detectors.detector import Task, TrainingPhase
from medaug.benchmark.detectors.features import RANDOM
from medaug.benchmark.detectors.retinanet import RetinaNet
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture
from medaug.processes import threads


def picture(seed: int) -> Picture:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 100, (64, 64)).astype(np.uint8)
    left, top = (int(n) for n in rng.integers(4, 40, 2))
    pixels[top : top + 18, left : left + 18] = 250
    corners = np.array([[left, top, left + 18, top + 18]], dtype=np.float64)
    return Picture(f"{seed}", pixels, Boxes.labelled(corners, np.zeros(1, dtype=np.int64)))


def test_monais_retinanet_learns_without_torchvision(tmp_path: Path) -> None:
    pictures = [picture(seed) for seed in range(6)]
    task = Task([TrainingPhase(pictures, 1.0)], 16, 3, pictures[:2], pictures[2:], 1)
    with threads.taken(1):
        trained = RetinaNet(RANDOM, tmp_path).train(task)
    first, last = trained.curve[0], trained.curve[-1]
    assert first.box_loss is not None
    assert last.box_loss is not None
    assert last.box_loss < first.box_loss
    best = [one.corners[np.argmax(one.scores)] for one in trained.found]
    truth = [one.boxes.corners[0] for one in pictures[2:]]
    assert np.median(np.abs(np.array(best) - np.array(truth))) < 20
