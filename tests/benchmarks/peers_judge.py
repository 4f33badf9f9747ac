"""What the judge says of the images of `peers.py`."""

from __future__ import annotations

import numpy as np

from medaug.benchmark.realism.auc import estimate
from medaug.benchmark.realism.judge import out_of_fold
from medaug.benchmark.realism.patches import SlicePair, patches_of
from tests.benchmarks.solver_bench import Subjects


def told(these: Subjects, images: np.ndarray) -> list[float]:
    """The judge's AUC of images (B, H, W), display units, and the ends of its interval; each image is a patient."""
    real, made = (np.rint((np.clip(of, -1, 1) + 1) * 127.5) / 255 for of in (these.x[:, 0].numpy(), images))
    free = ~these.layouts.protected[:, 0].numpy()
    pairs = [
        SlicePair(str(number), *(of[number].astype(np.float32) for of in (real, made)), free[number])
        for number in range(len(free))
    ]
    patches = patches_of(pairs, 0)
    found = estimate(out_of_fold(patches, 0, lambda _: None), patches.made, patches.groups, 0)
    return [found.value, found.low, found.high]
