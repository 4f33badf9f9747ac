from __future__ import annotations

import numpy as np

from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture
from medaug.benchmark.training import Added

NO_BOXES = Boxes.labelled(np.empty((0, 4)), np.empty(0, dtype=np.int64))
REAL, FIRST, BESIDE = (Picture(name * 64, np.zeros((8, 8), np.uint8), NO_BOXES) for name in "abc")


def test_an_arm_of_one_phase_is_trained_beside_the_real_images() -> None:
    (phase,) = Added((), (BESIDE,), refused=0).phases([REAL])
    assert (list(phase.pictures), phase.share) == ([REAL, BESIDE], 1.0)


def test_what_comes_first_has_half_of_the_steps_and_no_real_image() -> None:
    added = Added((FIRST,), (BESIDE,), refused=0)
    first, then = added.phases([REAL])
    assert (list(first.pictures), first.share) == ([FIRST], 0.5)
    assert (list(then.pictures), then.share) == ([REAL, BESIDE], 0.5)
    assert added.pictures == (FIRST, BESIDE)
