"""What headers state of part, side and view, and when two of them contradict each other."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.read.anatomy import Anatomy, anatomy_of
from tests.support import make
from tests.support.tampering import edit


def test_part_side_and_view_are_read(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path, rows=40, columns=30)
    code = Dataset()
    code.CodeValue = "30021000"

    def state(ds: pydicom.Dataset) -> None:
        ds.BodyPartExamined, ds.ImageLaterality, ds.ViewPosition = "LEG", "L", "AP"
        ds.AnatomicRegionSequence = [code]

    edit(path, state)
    found = anatomy_of(path)
    assert found == Anatomy(("LEG", "30021000"), "L", ("AP", ""), pydicom.dcmread(path).SOPClassUID)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Anatomy(), ""),
        (Anatomy(("LEG", ""), "L", ("LL", "")), "another view"),
        (Anatomy(("LEG", ""), "R", ("AP", "")), "another side"),
        (Anatomy(("HAND", "1"), "L", ("AP", "")), "another body part"),
        (Anatomy(("LEG", ""), "", ("", "2")), ""),
    ],
)
def test_only_what_both_state_can_contradict(other: Anatomy, why: str) -> None:
    one = Anatomy(("LEG", "1"), "L", ("AP", "1"))
    one = Anatomy(("LEG", "1"), "L", ("AP", "")) if not why else one
    assert one.unlike(other) == other.unlike(one) == why
