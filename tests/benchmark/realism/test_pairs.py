"""The pairs of an OUTPUT: the source it was made from, in the same window, and the region that was generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import medaug
from medaug.benchmark.realism.pairs import changed, pairs_of
from medaug.benchmark.realism.realism import realism
from medaug.errors import OutputError, ReadError
from tests.support import make
from tests.support.small_runs import boxes, small_profile


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants of one radiograph in out/, its source in in/."""
    folder = tmp_path_factory.mktemp("pairs")
    make.radiograph(folder / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    labels = boxes(folder / "boxes.json", ("x1.dcm",))
    medaug.run(folder / "in", folder / "out", profile=small_profile(folder), annotations=labels, variants=2)
    return folder


def test_each_image_stands_beside_its_source(made: Path) -> None:
    first, second = pairs_of(made / "out", made / "in")
    assert first.group == second.group
    assert first.real.shape == (120, 100)
    assert first.real.dtype == first.made.dtype == np.float32
    assert np.array_equal(first.real, second.real)
    assert not np.array_equal(first.made, second.made)
    assert np.array_equal(first.real[~first.free], first.made[~first.free])
    assert 0 <= first.real.min() < first.real.max() <= 1


def test_one_patient_can_not_be_judged(made: Path) -> None:
    with pytest.raises(OutputError, match="expected at least 8 patients or images, found 1"):
        realism(made / "out", made / "in")


def test_another_source_is_refused(made: Path, tmp_path: Path) -> None:
    make.radiograph(tmp_path, name="x1.dcm", rows=120, columns=100, seed=2)
    with pytest.raises(ReadError, match="1 of the sources of OUTPUT aren't in it"):
        list(pairs_of(made / "out", tmp_path))


def test_holes_of_chance_are_closed_and_borders_stay() -> None:
    before = np.zeros((40, 40), dtype=np.uint8)
    after = before.copy()
    after[10:30, 5:40] = 9
    after[15, 20] = 0
    expected = np.zeros((40, 40), dtype=bool)
    expected[10:30, 5:40] = True
    assert np.array_equal(changed(before, after), expected)
