"""Derived Enhanced objects: whole, in slice order, each frame saying what was done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import LegacyConvertedEnhancedCTImageStorage

from medaug.dicom.evidence.report import write_report
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.read.read import read_series
from medaug.dicom.write.attributes import ENHANCED, rows
from medaug.dicom.write.encode import OutputSyntax
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from tests.support.dicom_derived import PROVENANCE, ring, variant_of, written
from tests.support.dicom_edit import load, only
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.dicom_validators import dciodvfy, errors

DEPTHS = [6.0, 0.0, 9.0, 3.0]


def _as_ct(ds: Dataset, sop_class: str | None = None) -> None:
    shared = ds.SharedFunctionalGroupsSequence[0]
    shared.CTImageFrameTypeSequence = shared.MRImageFrameTypeSequence
    del shared.MRImageFrameTypeSequence
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class or ds.SOPClassUID


def _as_legacy(ds: Dataset) -> None:
    _as_ct(ds, LegacyConvertedEnhancedCTImageStorage)


KINDS: dict[str, dict[str, Any]] = {
    "MR": {"modality": "MR"},
    "CT": {"modality": "CT", "change": _as_ct},
    "legacy CT": {"modality": "CT", "change": _as_legacy},
}


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    enhanced(tmp_path / "in", [placed(depth) for depth in DEPTHS], **KINDS[request.param])
    return load(tmp_path / "in")


def one(volume: Volume, folder: Path, changed: np.ndarray | None = None, **options: object) -> Dataset:
    (path,) = written(volume, folder, changed, **options)
    return pydicom.dcmread(path)


def test_one_object_in_slice_order(source: Volume, tmp_path: Path) -> None:
    changed = ring(source)
    ds = one(source, tmp_path / "out", changed)
    np.testing.assert_array_equal(ds.pixel_array, variant_of(source, changed).stored)
    np.testing.assert_array_equal(ds.pixel_array[~changed], source.stored[~changed])
    assert ds.NumberOfFrames == len(ds.PerFrameFunctionalGroupsSequence) == 4
    before = pydicom.dcmread(source.source.files[0])
    for k, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        kept = before.PerFrameFunctionalGroupsSequence[source.source.frames[k]]
        assert group.PlanePositionSequence == kept.PlanePositionSequence
    again = load(tmp_path / "out")
    assert again.geometry.close_to(source.geometry)
    assert again.source.frames == (0, 1, 2, 3)


def test_the_top_level_says_that_it_is_synthetic(source: Volume, tmp_path: Path) -> None:
    ds = one(source, tmp_path / "out")
    before = pydicom.dcmread(source.source.files[0])
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", *before.ImageType[2:]]
    assert (ds.SyntheticData, ds.ContentQualification) == ("YES", "RESEARCH")
    assert ds.DeviceSerialNumber == PROVENANCE.unit[:16]
    (study,) = ds.SourceImageEvidenceSequence
    (reference,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == before.SOPInstanceUID != ds.SOPInstanceUID
    assert study.ReferencedSeriesSequence[0].SeriesInstanceUID == before.SeriesInstanceUID != ds.SeriesInstanceUID
    assert "SourceImageSequence" not in ds


def test_every_frame_says_what_was_done_to_it(source: Volume, tmp_path: Path) -> None:
    ds = one(source, tmp_path / "out", ring(source, slice(1, 3)))
    for k, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        (entry,) = group.DerivationImageSequence
        generated = k in (1, 2)
        assert entry.DerivationCodeSequence[0].CodeValue == ("GENERATED" if generated else "CARRIED")
        assert ("carried over unchanged" in entry.DerivationDescription) != generated
        (image,) = entry.SourceImageSequence
        assert image.ReferencedSOPInstanceUID == source.source.instance_uids[k]
        assert image.ReferencedFrameNumber == source.source.frames[k] + 1
        assert image.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    (shared,) = ds.SharedFunctionalGroupsSequence
    types = [e.value[0].FrameType for e in shared if e.VR == "SQ" and "FrameType" in e.value[0]]
    assert [list(t) for t in types] == [["DERIVED", "PRIMARY", "VOLUME", "NONE"]]


def test_a_derivation_of_the_source_s_own_is_kept_per_frame(tmp_path: Path) -> None:
    def derived_already(ds: Dataset) -> None:
        entry = Dataset()
        entry.DerivationDescription = "by the scanner"
        ds.SharedFunctionalGroupsSequence[0].DerivationImageSequence = [entry]

    enhanced(tmp_path / "in", [placed(depth) for depth in DEPTHS], change=derived_already)
    ds = one(load(tmp_path / "in"), tmp_path / "out")
    assert "DerivationImageSequence" not in ds.SharedFunctionalGroupsSequence[0]
    for group in ds.PerFrameFunctionalGroupsSequence:
        first, second = group.DerivationImageSequence
        assert first.DerivationDescription == "by the scanner"
        assert "medaug" in second.DerivationDescription


def test_a_unit_of_one_frame_holds_that_frame(tmp_path: Path) -> None:
    enhanced(tmp_path / "in", [placed(depth) for depth in DEPTHS])
    slices = read_series(only(tmp_path / "in"), slices=True)
    source = slices[2]
    ds = one(source, tmp_path / "out")
    assert ds.NumberOfFrames == len(ds.PerFrameFunctionalGroupsSequence) == 1
    position = ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
    assert float(position[2]) == -100 + 6
    kept = ~ring(source)[0]
    np.testing.assert_array_equal(ds.pixel_array[kept], source.stored[0][kept])


def test_private_elements_of_a_frame_are_gone(tmp_path: Path) -> None:
    def private(ds: Dataset) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            group.private_block(0x2005, "CANARY", create=True).add_new(0x01, "LO", "CANARY")
            group.PlanePositionSequence[0].private_block(0x2005, "CANARY", create=True).add_new(0x01, "LO", "CANARY")
        ds.ConcatenationUID, ds.InConcatenationNumber = "1.2.3", 1

    enhanced(tmp_path / "in", [placed(depth) for depth in DEPTHS], change=private)
    source = load(tmp_path / "in")
    ds = one(source, tmp_path / "out")
    assert [e for e in ds.iterall() if e.tag.is_private or "Concatenation" in e.keyword] == []
    kept = one(source, tmp_path / "kept", keep_private=True)
    assert len([e for e in kept.iterall() if e.value == "CANARY" and e.keyword != "PrivateCreator"]) >= 8


@pytest.mark.parametrize("syntax", ["jpeg2000-lossless", "jpeg-ls-lossless", "rle-lossless"])
def test_every_encoding_holds_all_frames(tmp_path: Path, syntax: OutputSyntax) -> None:
    enhanced(tmp_path / "in", [placed(depth) for depth in DEPTHS])
    source = load(tmp_path / "in")
    ds = one(source, tmp_path / "out", syntax=syntax)
    assert ds.file_meta.TransferSyntaxUID.is_compressed
    np.testing.assert_array_equal(ds.pixel_array, variant_of(source, ring(source)).stored)


@pytest.mark.parametrize("equipment", ["standard", "simulate"])
def test_no_new_error(source: Volume, tmp_path: Path, equipment: str) -> None:
    (path,) = written(source, tmp_path / "out", equipment=equipment)
    assert errors(dciodvfy(path)) - errors(dciodvfy(source.source.files[0])) == set()


def test_the_same_inputs_give_the_same_bytes(source: Volume, tmp_path: Path) -> None:
    first, second = (written(source, tmp_path / name)[0].read_bytes() for name in "ab")
    assert first == second


def test_evidence_refers_to_frames(source: Volume, tmp_path: Path) -> None:
    files = written(source, tmp_path / "out")
    free = ring(source)
    box = Box((1, 12, 12), (3, 20, 22), "lesion")
    labelled = np.zeros_like(free)
    labelled[box.slices] = True
    regions, boxes = tmp_path / "regions.dcm", tmp_path / "boxes.dcm"
    masks = (free, ~free, labelled)
    write_segmentation(files, masks, provenance=PROVENANCE, path=regions)
    write_report(files, [box], provenance=PROVENANCE, path=boxes)
    uid = pydicom.dcmread(files[0]).SOPInstanceUID
    found = hd.seg.segread(regions).get_pixels_by_source_frame(uid, [1, 2, 3, 4])
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(found[..., number].astype(np.bool_), mask)
    groups = hd.sr.srread(boxes).content.get_planar_roi_measurement_groups()
    images = [next(c for c in g[0].ContentSequence if c.ValueType == "SCOORD").ContentSequence[0] for g in groups]
    assert [int(i.ReferencedSOPSequence[0].ReferencedFrameNumber) for i in images] == [2, 3]
    assert errors(dciodvfy(regions)) | errors(dciodvfy(boxes)) == set()


def test_the_table_for_enhanced_objects_replaces_rows_and_repeats_none() -> None:
    for equipment in ("standard", "simulate"):
        keywords = [row.keyword for row in rows(equipment, enhanced=True)]
        assert len(keywords) == len(set(keywords))
        assert {row.keyword for row in ENHANCED} <= set(keywords)
        assert {row.keyword for row in rows(equipment)} <= set(keywords)
