"""Evidence is built whenever an image was: what a header lacks is refused on reading, or no hindrance here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from examples.files import header
from medaug.dicom.evidence.report import write_report
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.frames import PER_FRAME, SHARED
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_derived import PROVENANCE, ring, written
from tests.support.dicom_edit import edit, load, only
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.dicom_validators import dciodvfy, errors

MAKE: dict[str, Callable[[Path], tuple[Path, ...]]] = {
    "CR": lambda folder: (make.radiograph(folder, rows=24, columns=20),),
    "CT": lambda folder: make.series(folder, slices=2, rows=24, columns=20),
    "MR": lambda folder: make.series(folder, slices=2, rows=24, columns=20, modality="MR"),
    "Enhanced": lambda folder: (enhanced(folder, [placed(0.0), placed(3.0)]),),
}
ANY_KIND = {element.keyword for element in header("CR", "any")} - {
    "SOPClassUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "PatientID", "SeriesNumber"
}  # fmt: skip


def evidence(volume: Volume, folder: Path) -> list[Path]:
    """Both objects for a variant of ``volume``."""
    folder.mkdir()
    files = written(volume, folder / "image")
    free = ring(volume)
    box = Box((0, 8, 8), (1, 12, 12), "lesion")
    labelled = np.zeros_like(free)
    labelled[box.slices] = True
    regions, boxes = folder / "regions.dcm", folder / "boxes.dcm"
    write_segmentation(files, (free, ~free, labelled), provenance=PROVENANCE, path=regions)
    write_report(files, [box], provenance=PROVENANCE, path=boxes)
    return [regions, boxes]


def _holders(ds: Dataset) -> list[Dataset]:
    """The object, its shared groups, those of its first frame, and their items."""
    groups = [group for name in (SHARED, PER_FRAME) for group in ds.get(name, [])[:1]]
    return [ds, *groups, *(item for group in groups for element in group for item in element.value)]


def _take_out(ds: Dataset, number: int, keyword: str) -> None:
    delattr(_holders(ds)[number], keyword)


@pytest.mark.parametrize("kind", MAKE)
def test_no_attribute_that_is_missing_hinders_it(tmp_path: Path, kind: str) -> None:
    whole = pydicom.dcmread(MAKE[kind](tmp_path / "whole")[0])
    used = 0
    stated = [(n, element.keyword) for n, holder in enumerate(_holders(whole)) for element in holder]
    if kind != "CR":  # of a person, a study and a maker it hangs on no kind: that is shown by one
        stated = [(n, keyword) for n, keyword in stated if keyword not in ANY_KIND]
    for number, keyword in stated:
        root = tmp_path / f"{number}-{keyword}"
        for path in MAKE[kind](root / "in"):
            edit(path, partial(_take_out, number=number, keyword=keyword))
        try:
            (volume,) = read_series(only(root / "in"))
        except (ReadError, AssertionError):
            continue  # named in planning
        assert len(evidence(volume, root / "out")) == 2, keyword
        used += 1
    assert used >= 8


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_lone_slice_without_a_thickness_states_none(tmp_path: Path, modality: str) -> None:
    for path in make.series(tmp_path / "in", slices=3, modality=modality):
        edit(path, SliceThickness=None)
    middle = read_series(only(tmp_path / "in"), slices=True)[1]
    regions, boxes = evidence(middle, tmp_path / "out")
    (shared,) = pydicom.dcmread(regions).SharedFunctionalGroupsSequence
    assert "SliceThickness" not in shared.PixelMeasuresSequence[0]
    assert errors(dciodvfy(boxes)) == set()


@pytest.mark.parametrize("kind", ["CT", "Enhanced"])
def test_directions_that_reading_takes_are_shown_as_one(tmp_path: Path, kind: str) -> None:
    def turned(ds: Dataset, k: int) -> None:
        value = [1 + 1e-4 * k, 2e-4 * k, 0, -2e-4 * k, 1, 0]
        if kind == "CT":
            ds.ImageOrientationPatient = value
        else:
            del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
            for n, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
                item = Dataset()
                item.ImageOrientationPatient = [1 + 1e-4 * n, 2e-4 * n, 0, -2e-4 * n, 1, 0]
                group.PlaneOrientationSequence = [item]

    for k, path in enumerate(MAKE[kind](tmp_path / "in")):
        edit(path, partial(turned, k=k))
    regions, _ = evidence(load(tmp_path / "in"), tmp_path / "out")
    assert errors(dciodvfy(regions)) == set()
    (shared,) = pydicom.dcmread(regions).SharedFunctionalGroupsSequence
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]


def _longer(ds: Dataset) -> None:
    """Decimals of more characters than the Standard has room for, as some converters write them."""
    thickness = b"0.70000000000000007"
    ds["SliceThickness"] = RawDataElement(Tag("SliceThickness"), "DS", len(thickness), thickness, 0, False, True)


@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_a_thickness_of_too_many_digits_is_no_hindrance(tmp_path: Path, kind: str) -> None:
    for path in MAKE[kind](tmp_path / "in"):
        edit(path, _longer)
    (volume,) = read_series(only(tmp_path / "in"))
    regions, _ = evidence(volume, tmp_path / "out")
    (measures,) = pydicom.dcmread(regions)[SHARED].value[0].PixelMeasuresSequence
    assert float(measures.SliceThickness) == 0.7
