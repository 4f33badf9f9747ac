from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medaug.benchmark.realism.patches import SlicePair, owners, patches_of
from medaug.errors import OutputError
from medaug.review import judged


def pairs(number: int, told: int) -> list[SlicePair]:
    """One unit a patient; of the first ``told`` what was generated is much brighter."""
    rng, free = np.random.default_rng(3), np.ones((96, 96), dtype=np.bool_)
    found = []
    for n in range(number):
        real = rng.normal(0.5, 0.1, (96, 96)).astype(np.float32)
        made = rng.normal(0.5, 0.1, (96, 96)).astype(np.float32) + np.float32(0.4 * (n < told))
        found.append(SlicePair(f"p{n}", real, made, free, f"u{n}"))
    return found


def test_each_patch_has_the_unit_that_it_came_from() -> None:
    shown = pairs(3, 0)
    shown[1] = SlicePair("p1", shown[1].real, shown[1].made, np.zeros((96, 96), dtype=np.bool_), "u1")
    patches, units = patches_of(shown, 5), owners(shown, 5)
    assert len(units) == len(patches)
    assert set(units) == {"u0", "u2"}
    for n in (0, 2):
        mine = patches.pixels[[unit == f"u{n}" for unit in units]]
        assert any(np.array_equal(mine[0], shown[n].real[i : i + 48, j : j + 48]) for i in range(49) for j in range(49))


def test_a_variant_scores_by_its_generated_patches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that goes by brightness: it tells the brighter ones at once."""
    monkeypatch.setattr(judged, "out_of_fold", lambda patches, *_: (patches.pixels.mean(axis=(1, 2)) > 0.7) * 0.8 + 0.1)
    monkeypatch.setattr(judged, "pairs_of", lambda *_: iter(pairs(12, 6)))
    scores = judged.judge_scores(Path("out"), Path("in"), seed=1)
    assert scores == pytest.approx({f"u{n}": 0.1 if n < 6 else 0.9 for n in range(12)})


def test_too_few_patients_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "pairs_of", lambda *_: iter(pairs(4, 2)))
    with pytest.raises(OutputError, match="expected at least 8 patients or images, found 4"):
        judged.judge_scores(Path("out"), Path("in"))
