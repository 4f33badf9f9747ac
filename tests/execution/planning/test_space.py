"""What a unit takes on disk: worked numbers of a radiograph of 1024 × 1024, as it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medaug.dicom.read.discover import discover
from medaug.execution.planning.sources import ImageSource
from medaug.execution.planning.space import bytes_on_disk
from medaug.profile.load import load_profile
from tests.support import make

SHAPE, STORED = (1, 1024, 1024), 2 * 2**20
BESIDE = 40_000 + 2.2 * 512 * 512  # records, and four previews of half the size
AS_DICOM = 5_000 + 3 / 8 * 2**20  # a header, and three segments of one bit


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("", {}, STORED + AS_DICOM + BESIDE),
        ("", {"output_syntax": "jpeg2000-lossless"}, 0.4 * STORED + AS_DICOM + BESIDE),
        ("png", {}, 0.4 * STORED + 0.02 * 2**20 + BESIDE),
        ("png", {"pictures": "secondary-capture"}, STORED + AS_DICOM + BESIDE),
        ("nifti", {}, 0.6 * STORED + 0.02 * 2**20 + BESIDE),
    ],
)
def test_what_a_unit_takes_follows_how_it_is_written(
    tmp_path: Path, kind: str, changes: dict[str, str], expected: float
) -> None:
    make.radiograph(tmp_path, name="x.dcm", rows=40, columns=30)
    (series,) = discover(tmp_path).series
    file = tmp_path / f"x.{kind}"
    source = ImageSource(None, file, by_slice=False, kind=kind) if kind else ImageSource(series, None, by_slice=False)
    profile = load_profile("bone-xray").model_copy(update=changes)
    assert bytes_on_disk(source, SHAPE, STORED, profile) == pytest.approx(expected, abs=1)


def test_colour_has_three_samples(tmp_path: Path) -> None:
    make.radiograph(tmp_path, name="x.dcm", rows=40, columns=30)
    (series,) = discover(tmp_path).series
    colour = replace(series, first=replace(series.first, photometric="RGB"))
    grey, three = (ImageSource(one, None, by_slice=False) for one in (series, colour))
    profile = load_profile("bone-xray")
    more = bytes_on_disk(three, SHAPE, STORED, profile) - bytes_on_disk(grey, SHAPE, STORED, profile)
    assert more == 2 * STORED
