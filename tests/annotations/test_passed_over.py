"""Nothing below a folder of annotations is passed over in silence: it is read, harmless, or withholds."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medaug.annotations.registry import Matched, read_annotations
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import LESION, loaded, mask_of, named

SECOND = ((4, 40, 30), (5, 50, 44))


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct"))


@pytest.fixture
def folder(tmp_path: Path, ct: Volume) -> Path:
    """Two Segmentations of one series, one lesion in each; what becomes of the second is the test's."""
    mask = np.zeros(ct.geometry.shape, dtype=np.uint8)
    mask[tuple(slice(a, b) for a, b in zip(*SECOND, strict=True))] = 1
    for name, marked in (("a", mask_of(ct)), ("b", mask)):
        made = make.seg(tmp_path / name, ct.source.files, marked, ["lesion"])
        (tmp_path / "seg").mkdir(exist_ok=True)
        made.rename(tmp_path / "seg" / f"{name}.dcm")
    return tmp_path / "seg"


def spans(found: Matched, volume: Volume) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(box.start, box.stop) for box in found.boxes[volume.source.key]]


def without_preamble(file: Path) -> None:
    file.write_bytes(file.read_bytes()[132:])


def without_meta(file: Path) -> None:
    data = pydicom.dcmread(file)
    data.file_meta = pydicom.dataset.FileMetaDataset()
    pydicom.dcmwrite(file, data, implicit_vr=False, little_endian=True, enforce_file_format=False)


@pytest.mark.parametrize("change", [lambda _: None, without_preamble, without_meta])
def test_a_segmentation_without_its_beginning_is_read(folder: Path, ct: Volume, change: Callable[[Path], None]) -> None:
    change(folder / "b.dcm")
    found = read_annotations(folder, [ct])
    assert spans(found, ct) == [(LESION.start, LESION.stop), SECOND]
    assert not found.unmatched_annotations


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def gzipped(file: Path) -> None:
    file.with_name("b.dcm.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


def zipped(file: Path) -> None:
    with zipfile.ZipFile(file.with_name("b.zip"), "w") as archive:
        archive.write(file, "b.dcm")
    file.unlink()


def behind_a_link(file: Path) -> None:
    elsewhere = file.parent.with_name("elsewhere")
    elsewhere.mkdir()
    file.rename(elsewhere / file.name)
    file.with_name("more").symlink_to(elsewhere, target_is_directory=True)


def dangling(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def cut_to_its_meta(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:250])


@pytest.mark.parametrize(
    "change",
    [zeroed, emptied, gzipped, zipped, behind_a_link, dangling, cut, cut_to_its_meta],
    ids=lambda f: f.__name__,
)
def test_a_segmentation_that_can_not_be_read_withholds_what_it_may_mark(
    folder: Path, ct: Volume, change: Callable[[Path], None]
) -> None:
    change(folder / "b.dcm")
    found = read_annotations(folder, [ct])
    assert found.boxes == {}
    assert found.withheld == {ct.source.key}
    (sentence,) = found.unmatched_annotations
    assert sentence.startswith(("not-read: 1 (file 0, ", "bad-entry: 1 (segmentation 1: "))
    assert "b.dcm" not in sentence


def test_a_damaged_object_withholds_its_own_study_alone(folder: Path, ct: Volume, tmp_path: Path) -> None:
    other = loaded(make.series(tmp_path / "other", seed=7))
    other = replace(other, source=replace(other.source, study_uid=make.uid("another study")))
    (folder / "b.dcm").write_bytes((folder / "b.dcm").read_bytes()[:-40])
    assert read_annotations(folder, [ct, other]).withheld == {ct.source.key}


@pytest.mark.parametrize("name", ["README.md", ".DS_Store", "Thumbs.db", "notes", "classes.yaml", "preview.png"])
def test_what_is_no_annotation_withholds_nothing(folder: Path, ct: Volume, name: str) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(200)
    (folder / name).write_bytes(png if name.endswith(".png") else b"about these files\n")
    found = read_annotations(folder, [ct])
    assert len(found.boxes[ct.source.key]) == 2
    assert not found.unmatched_annotations


def numbered(data: pydicom.Dataset, number: int) -> None:
    for groups in (*data.SharedFunctionalGroupsSequence, *data.PerFrameFunctionalGroupsSequence):
        for item in groups.get("SegmentIdentificationSequence", []):
            item.ReferencedSegmentNumber = number


@pytest.mark.parametrize("number", [0, 9])
def test_a_segment_that_is_not_listed_withholds(folder: Path, ct: Volume, number: int) -> None:
    data = pydicom.dcmread(folder / "b.dcm")
    numbered(data, number)
    data.save_as(folder / "b.dcm")
    found = read_annotations(folder, [ct])
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("bad-entry: 1 (segmentation 1, frame 0: expected a segment")


def test_a_segment_of_number_0_that_is_listed_is_one(folder: Path, ct: Volume) -> None:
    data = pydicom.dcmread(folder / "b.dcm")
    numbered(data, 0)
    data.SegmentSequence[0].SegmentNumber = 0
    data.save_as(folder / "b.dcm")
    assert spans(read_annotations(folder, [ct]), ct) == [(LESION.start, LESION.stop), SECOND]


def test_a_frame_of_reference_that_was_remapped_is_no_obstacle(folder: Path, ct: Volume) -> None:
    """The frames name their source images and lie on them: the voxels are shared whatever the UID says."""
    data = pydicom.dcmread(folder / "b.dcm")
    data.FrameOfReferenceUID = make.uid("remapped")
    data.save_as(folder / "b.dcm")
    assert spans(read_annotations(folder, [ct]), ct) == [(LESION.start, LESION.stop), SECOND]


def test_a_list_beside_the_files_of_a_folder_withholds_what_it_marks_beyond_them(tmp_path: Path) -> None:
    a, b = named("a.png"), named("b.png", seed=1)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.25\n")  # rows 24-39, columns 18-29 of 64 × 48
    same = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [18, 24, 12, 16]}
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "all.json").write_text(json.dumps({**content, "annotations": [same]}))
    assert len(read_annotations(tmp_path, [a, b]).boxes) == 2
    more = {**same, "id": 2, "bbox": [1, 1, 4, 4]}
    (tmp_path / "all.json").write_text(json.dumps({**content, "annotations": [same, more]}))
    found = read_annotations(tmp_path, [a, b])
    assert found.withheld == {a.source.key}
    assert found.unmatched_annotations[0].startswith("not-read: 1 (file 1, of the format coco)")


def test_a_packed_label_file_withholds_the_image_that_it_is_named_like(tmp_path: Path) -> None:
    volumes = [named(f"{name}.png", seed=n) for n, name in enumerate("abc")]
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"0 0.5 0.5 0.25 0.25\n"))
    found = read_annotations(tmp_path, volumes)
    assert found.withheld == {volumes[1].source.key}
    assert list(found.boxes) == [volumes[0].source.key]
