"""Pictures that hold several images: refused or named where they say so, and taken as they are where they don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from medaug.dicom.read.discover import discover
from tests.support import make
from tests.support.dicom_edit import edit, load, only
from tests.support.dicom_multiframe import enhanced, placed

TYPE = ["ORIGINAL", "PRIMARY", "M", "ND"]


def mr(folder: Path, **values: Any) -> Path:
    return edit(make.series(folder, slices=1, modality="MR")[0], **values)


def counted(ds: Dataset, images: int, owner: str = "SIEMENS MR HEADER") -> None:
    ds.private_block(0x0019, owner, create=True).add_new(0x0A, "US", images)


def refused(folder: Path) -> list[str]:
    return [skip.code for skip in discover(folder).skipped]


@pytest.mark.parametrize("word", ["MOSAIC", "mosaic", "MONTAGE", "CONTACT SHEET"])
def test_a_picture_that_says_it_is_tiled_is_refused(tmp_path: Path, word: str) -> None:
    mr(tmp_path, ImageType=[*TYPE, word])
    (skip,) = discover(tmp_path).skipped
    assert (skip.code, skip.refused) == ("mosaic", True)
    assert "several images in one picture" in skip.reason


def test_the_makers_count_of_tiles_is_believed(tmp_path: Path) -> None:
    edit(mr(tmp_path / "many", ImageType=TYPE), lambda ds: counted(ds, 16))
    (skip,) = discover(tmp_path / "many").skipped
    assert "16 images in one picture" in skip.reason
    edit(mr(tmp_path / "one", ImageType=[*TYPE, "MOSAIC"]), lambda ds: counted(ds, 1))
    assert refused(tmp_path / "one") == []
    edit(mr(tmp_path / "other", ImageType=TYPE), lambda ds: counted(ds, 16, "ANOTHER OWNER"))
    assert refused(tmp_path / "other") == []


def test_an_enhanced_object_keeps_the_word_without_being_tiled(tmp_path: Path) -> None:
    def named(ds: Dataset) -> None:
        ds.ImageType = [*TYPE, "MOSAIC"]
        ds.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence[0].FrameType = [*TYPE, "MOSAIC"]
        counted(ds, 16)

    enhanced(tmp_path, [placed(3.0 * k) for k in range(3)], change=named)
    assert load(tmp_path).geometry.shape[0] == 3


def region(kind: int) -> Dataset:
    ds = Dataset()
    ds.RegionSpatialFormat, ds.RegionDataType = kind, 1
    return ds


@pytest.mark.parametrize(("kinds", "named"), [((1, 1), True), ((1, 3), False), ((1,), False), ((), False)])
def test_ultrasound_regions_are_counted(tmp_path: Path, kinds: tuple[int, ...], named: bool) -> None:
    regions = [region(kind) for kind in kinds]
    edit(make.radiograph(tmp_path), SequenceOfUltrasoundRegions=regions)
    assert any("ultrasound images in one picture" in note for note in only(tmp_path).notes) == named


def source(number: int) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"1.2.3.{number}"
    return ds


@pytest.mark.parametrize(("sources", "named"), [((1, 2), True), ((1, 1), False), ((), False)])
def test_a_capture_of_several_images_is_named(tmp_path: Path, sources: tuple[int, ...], named: bool) -> None:
    path = edit(make.radiograph(tmp_path), SOPClassUID=SecondaryCaptureImageStorage, Modality="OT")
    edit(path, SourceImageSequence=[source(n) for n in sources])
    assert any("captured from" in note for note in only(tmp_path).notes) == named


def test_a_radiograph_s_spacing_and_window_that_are_left_aside_are_named(tmp_path: Path) -> None:
    edit(make.radiograph(tmp_path), PixelSpacing=[0, 0], ImagerPixelSpacing=[0, 0], WindowCenter=0, WindowWidth=1)
    notes = only(tmp_path).notes
    assert [note for note in notes if "taken as unknown" in note or "left aside" in note] == [
        "ImagerPixelSpacing isn't above 0: taken as unknown",
        "PixelSpacing isn't above 0: taken as unknown",
        "window 0/1 leaves no grey levels: left aside",
    ]
    volume = load(tmp_path)
    assert (volume.geometry.space, volume.window) == ("pixel", None)
