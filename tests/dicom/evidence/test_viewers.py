"""What 3D Slicer and OHIF look for when they open a segmentation, item by item; the list stands in dicom.md.

Neither runs here. Slicer's DICOM plug-in (dcmqi) finds the image by ReferencedSeriesSequence, each frame by its plane;
OHIF (cornerstone's adapter) by ReferencedSeriesSequence, FrameOfReferenceUID and the source image of each frame.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.evidence.segmentation import SEGMENTS, write_segmentation
from tests.support.dicom_derived import PROVENANCE, ring, written
from tests.support.dicom_edit import load
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.evidence_series import derived

Pair = tuple[Dataset, list[Dataset]]


def _classic(folder: Path, kind: str) -> Pair:
    made = derived(kind, folder)
    write_segmentation(made.files, made.masks, provenance=PROVENANCE, path=folder / "regions.dcm")
    return pydicom.dcmread(folder / "regions.dcm"), [pydicom.dcmread(path) for path in made.files]


def _frames(folder: Path) -> Pair:
    enhanced(folder / "in", [placed(depth) for depth in (6.0, 0.0, 9.0, 3.0)])
    source = load(folder / "in")
    files, free = written(source, folder / "out"), ring(source)
    path = folder / "regions.dcm"
    write_segmentation(files, (free, ~free, free & False), provenance=PROVENANCE, path=path)
    return pydicom.dcmread(path), [pydicom.dcmread(file) for file in files]


SERIES: dict[str, Callable[[Path], Pair]] = {
    "CT": lambda folder: _classic(folder, "CT"),
    "MR oblique": lambda folder: _classic(folder, "MR oblique"),
    "Enhanced MR": _frames,
}


@pytest.fixture(params=SERIES)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return SERIES[request.param](tmp_path)


def test_it_lies_in_the_image_s_study_and_frame_of_reference(pair: Pair) -> None:
    segmentation, images = pair
    assert {segmentation.StudyInstanceUID} == {ds.StudyInstanceUID for ds in images}
    assert {segmentation.FrameOfReferenceUID} == {ds.FrameOfReferenceUID for ds in images}
    assert segmentation.SeriesInstanceUID not in {ds.SeriesInstanceUID for ds in images}
    assert segmentation.Modality == "SEG"


def test_it_names_the_series_and_every_instance(pair: Pair) -> None:
    segmentation, images = pair
    (series,) = segmentation.ReferencedSeriesSequence
    assert {series.SeriesInstanceUID} == {ds.SeriesInstanceUID for ds in images}
    named = {(item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in series.ReferencedInstanceSequence}
    assert named == {(ds.SOPClassUID, ds.SOPInstanceUID) for ds in images}


def test_its_dimensions_are_segment_and_position(pair: Pair) -> None:
    segmentation, _ = pair
    (organization,) = segmentation.DimensionOrganizationSequence
    indices = list(segmentation.DimensionIndexSequence)
    assert [pydicom.datadict.keyword_for_tag(item.DimensionIndexPointer) for item in indices] == [
        "ReferencedSegmentNumber",
        "ImagePositionPatient",
    ]
    assert {item.DimensionOrganizationUID for item in indices} == {organization.DimensionOrganizationUID}
    values = [
        tuple(g.FrameContentSequence[0].DimensionIndexValues) for g in segmentation.PerFrameFunctionalGroupsSequence
    ]
    assert len(set(values)) == len(values) == segmentation.NumberOfFrames


def test_every_frame_says_segment_plane_and_source(pair: Pair) -> None:
    segmentation, images = pair
    (shared,) = segmentation.SharedFunctionalGroupsSequence
    assert {"PlaneOrientationSequence", "PixelMeasuresSequence"} <= {element.keyword for element in shared}
    measures = shared.PixelMeasuresSequence[0]
    assert {"PixelSpacing", "SliceThickness"} <= {element.keyword for element in measures}
    known = {ds.SOPInstanceUID for ds in images}
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        assert group.SegmentIdentificationSequence[0].ReferencedSegmentNumber in (1, 2, 3)
        assert len(group.PlanePositionSequence[0].ImagePositionPatient) == 3
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID in known
        assert ("ReferencedFrameNumber" in source) == ("NumberOfFrames" in images[0])


def test_segments_have_labels_numbers_codes_and_the_previews_colours(pair: Pair) -> None:
    segmentation, _ = pair
    assert [int(item.SegmentNumber) for item in segmentation.SegmentSequence] == [1, 2, 3]
    for item, segment in zip(segmentation.SegmentSequence, SEGMENTS, strict=True):
        assert item.SegmentLabel == segment.label
        assert len(item.SegmentedPropertyCategoryCodeSequence) == len(item.SegmentedPropertyTypeCodeSequence) == 1
        assert item.SegmentAlgorithmName == "medaug"
        np.testing.assert_allclose(rgb(item.RecommendedDisplayCIELabValue), segment.colour, atol=1)


def rgb(value: list[int]) -> np.ndarray:
    """CIELab as stored (PS3.3 C.10.7.1.1) → sRGB, 0 to 255, with D65 as white, which is how viewers take it."""
    lightness, a, b = value[0] / 65535 * 100, value[1] / 257 - 128, value[2] / 257 - 128
    fy = (lightness + 16) / 116
    f = np.array([fy + a / 500, fy, fy - b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    to_rgb = [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
    linear = np.clip(np.array(to_rgb) @ xyz, 0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


def test_it_is_one_binary_bit_per_pixel_uncompressed(pair: Pair) -> None:
    segmentation, images = pair
    assert (segmentation.SegmentationType, segmentation.BitsAllocated) == ("BINARY", 1)
    assert not segmentation.file_meta.TransferSyntaxUID.is_compressed
    assert (segmentation.Rows, segmentation.Columns) == (images[0].Rows, images[0].Columns)
    assert segmentation.SegmentsOverlap == "YES"
