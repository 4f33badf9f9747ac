from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from medaug.dicom.read.discover import Found, discover
from medaug.errors import ReadError
from tests.support import make
from tests.support.dicom_edit import edit, only

NAME = "Canary^Name"


def codes(found: Found) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in found.skipped:
        counts[entry.code] = counts.get(entry.code, 0) + entry.count
    return counts


def test_a_study_of_several_series(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "x")
    make.series(tmp_path / "ct", slices=4)
    make.series(tmp_path / "mr", modality="MR", slices=3, identity_removed=False)
    found = discover(tmp_path)
    assert sorted((s.modality, len(s.files), s.identity, s.rows, s.columns) for s in found.series) == [
        ("CR", 1, "declared", 256, 200),
        ("CT", 4, "declared", 64, 64),
        ("MR", 3, "identified", 64, 64),
    ]
    assert found.skipped == ()


def test_names_and_folders_don_t_matter(tmp_path: Path) -> None:
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    make.series(plain / "b", slices=3)
    make.radiograph(plain / "a")
    odd.mkdir()
    for n, path in enumerate(sorted(plain.rglob("*"), reverse=True)):
        if path.is_file():
            shutil.copy(path, odd / f"{n}.TXT")
    first, second = discover(plain).series, discover(odd).series
    assert [s.series_uid for s in first] == [s.series_uid for s in second]
    for one, other in zip(first, second, strict=True):
        assert [p.read_bytes() for p in one.files] == [p.read_bytes() for p in other.files]


def test_one_file_may_be_given(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path)
    make.radiograph(tmp_path, name="b.dcm")
    assert only(path).files == (path,)


def test_each_radiograph_of_a_series_stands_alone(tmp_path: Path) -> None:
    first = make.radiograph(tmp_path, name="a.dcm", study="s")
    second = make.radiograph(tmp_path, name="b.dcm", study="s")
    edit(second, SeriesInstanceUID=pydicom.dcmread(first).SeriesInstanceUID)
    found = discover(tmp_path)
    assert [len(s.files) for s in found.series] == [1, 1]
    assert len({s.series_uid for s in found.series}) == 1


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_no_input(tmp_path: Path, what: str) -> None:
    folder = tmp_path / NAME
    if what == "empty":
        (folder / "sub").mkdir(parents=True)
    with pytest.raises(ReadError, match="give the folder") as caught:
        discover(folder)
    assert caught.value.code == "no-input"
    assert NAME not in str(caught.value)


def test_what_is_no_image_is_counted_not_refused(tmp_path: Path) -> None:
    images = make.series(tmp_path / "ct", slices=4)
    box = make.lesion((4, 64, 64))
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[box.slices] = 1
    make.seg(tmp_path / "seg", images, mask, ["lesion"])
    (tmp_path / "notes.txt").write_text(NAME)
    (tmp_path / "empty.dcm").touch()
    for name, sop_class in (("rs", RTStructureSetStorage), ("pdf", EncapsulatedPDFStorage)):
        path = shutil.copy(images[0], tmp_path / name)
        edit(path, SOPClassUID=sop_class, SOPInstanceUID=make.uid(name), PixelData=None)
    found = discover(tmp_path)
    assert codes(found) == {"not-an-image": 3, "not-dicom": 1, "empty": 1}
    assert not any(entry.refused for entry in found.skipped)
    assert NAME not in repr(found.skipped)
    assert [len(s.files) for s in found.series] == [4]


def test_a_dicomdir_is_no_image(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path)

    def index(ds: Dataset) -> None:
        ds.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
        del ds.SOPClassUID

    edit(path, index)
    assert codes(discover(tmp_path)) == {"dicomdir": 1}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"SOPClassUID": UltrasoundMultiFrameImageStorage}, "unsupported-class"),
        ({"SOPClassUID": EnhancedMRImageStorage}, "functional-groups"),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "CT"}, "unsupported-class"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"NumberOfFrames": 2}, "multi-frame"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"BitsAllocated": 32}, "unsupported-encoding"),
        ({"HighBit": 15}, "unsupported-encoding"),
        ({"Rows": 257}, "truncated"),
        ({"Rows": 255}, "pixel-length"),
        ({"Rows": 0}, "too-large"),
        ({"Rows": 65535, "Columns": 65535}, "too-large"),
        ({"PixelData": None}, "no-pixels"),
        ({"BurnedInAnnotation": "YES"}, "burned-in"),
        ({"StudyInstanceUID": None}, "missing-attribute"),
        ({"SeriesInstanceUID": None}, "missing-attribute"),
        ({"StudyInstanceUID": NAME}, "bad-value"),
        ({"Modality": NAME}, "bad-value"),
        ({"Modality": None}, "missing-attribute"),
    ],
)
def test_images_that_can_t_be_used(tmp_path: Path, change: dict[str, object], code: str) -> None:
    edit(make.radiograph(tmp_path, rows=256), **change)
    found = discover(tmp_path)
    assert (found.series, codes(found)) == ((), {code: 1})
    assert found.skipped[0].refused is (code != "localizer")
    assert NAME not in repr(found.skipped)


def test_a_secondary_capture_of_a_radiograph_is_tried_with_a_note(tmp_path: Path) -> None:
    path = edit(make.radiograph(tmp_path), SOPClassUID=SecondaryCaptureImageStorage)
    assert "look for text" in only(tmp_path).notes[0]
    edit(path, BurnedInAnnotation="NO")
    assert only(tmp_path).notes == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO here")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    outside = make.radiograph(tmp_path / "outside")
    root = tmp_path / "root"
    make.radiograph(root, name="in.dcm", seed=1)
    os.mkfifo(root / "pipe")  # would block for ever
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root)
    found = discover(root)
    assert codes(found) == {"not-a-file": 3}
    assert len(found.series) == 1


def test_a_copy_is_dropped(tmp_path: Path) -> None:
    files = make.series(tmp_path, slices=3)
    shutil.copy(files[1], tmp_path / "copy")
    found = discover(tmp_path)
    assert codes(found) == {"duplicate-file": 1}
    assert [len(s.files) for s in found.series] == [3]


def test_one_uid_with_different_bytes_refuses_the_series(tmp_path: Path) -> None:
    files = make.series(tmp_path, slices=3)
    make.radiograph(tmp_path, name="other.dcm")
    edit(Path(shutil.copy(files[1], tmp_path / "copy")), WindowCenter=41)
    found = discover(tmp_path)
    assert codes(found) == {"uid-conflict": 4}
    assert [s.modality for s in found.series] == ["CR"]


def test_two_patients_in_one_study(tmp_path: Path) -> None:
    make.radiograph(tmp_path, name="a.dcm", study="s")
    edit(make.radiograph(tmp_path, name="b.dcm", study="s"), PatientID=NAME)
    found = discover(tmp_path)
    assert found.series == ()
    assert codes(found) == {"two-patients": 2}
    assert NAME not in repr(found)


def echoes(folder: Path, times: tuple[float, ...]) -> None:
    for n, time in enumerate(times):
        for path in make.series(folder / str(n), modality="MR", slices=4):
            edit(path, EchoTime=time, SOPInstanceUID=make.uid(n, path.name), AcquisitionNumber=int(path.name[2:]))


def test_echoes_become_stacks_of_their_own(tmp_path: Path) -> None:
    echoes(tmp_path, (15, 30.5))
    found = discover(tmp_path)
    assert [(s.part, len(s.files)) for s in found.series] == [("EchoTime 15", 4), ("EchoTime 30.5", 4)]
    assert len({s.series_uid for s in found.series}) == 1


def test_repeats_that_nothing_tells_apart_stay_together(tmp_path: Path) -> None:
    echoes(tmp_path, (15, 15))  # AcquisitionNumber differs per slice, which must not leave single slices
    assert [(s.part, len(s.files)) for s in discover(tmp_path).series] == [("", 8)]


def test_an_attribute_that_varies_without_repeats_splits_nothing(tmp_path: Path) -> None:
    for n, path in enumerate(make.series(tmp_path, slices=4)):
        edit(path, AcquisitionNumber=n)
    assert len(only(tmp_path).files) == 4


@pytest.mark.parametrize(
    ("change", "series"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, 2),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0.0000004]}, 1),  # noise of a scanner
        ({"PixelSpacing": [0.9, 0.9]}, 2),
        ({"FrameOfReferenceUID": "1.2.3"}, 2),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"]}, 2),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "ADD"]}, 1),  # GE marks slices so inside one stack
    ],
)
def test_one_series_uid_with_several_grids(tmp_path: Path, change: dict[str, object], series: int) -> None:
    files = make.series(tmp_path, slices=6)
    for path in files[3:]:
        edit(path, **change)
    found = discover(tmp_path)
    assert [len(s.files) for s in found.series] == [6 // series] * series


def test_no_preamble_and_no_meta_group(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "a")
    data = path.read_bytes()
    path.write_bytes(data[132:])  # the meta group comes first
    assert only(tmp_path).modality == "CR"
    meta = 12 + int.from_bytes(data[140:144], "little")
    path.write_bytes(data[132 + meta :])
    assert only(tmp_path).modality == "CR"
