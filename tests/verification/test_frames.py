"""OUTPUT of multi-frame objects: sound when it is, and what somebody may do to a frame is found and named."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

import medaug
from medaug.audit import keys
from medaug.audit.record import Record
from medaug.audit.seal import seal
from medaug.execution.replay import replay
from medaug.profile.load import load_profile
from medaug.verification.pixel_links import link_by_pixels
from medaug.verification.verify import Verdict, verify
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.make import uid
from tests.support.sound_output import SMALL, records, redigest, rewrite

ORDER = [6.0, 0.0, 9.0, 3.0]  # depth of each frame: slice k lies in frame FRAMES[k]
FRAMES = (1, 3, 0, 2)

pytestmark = pytest.mark.usefixtures("unchanged_units_are_checked_once")


def build(folder: Path) -> Path:
    """An Enhanced MR object with a box over two slices, and another file of the same kind; both augmented."""
    for name in ("one.dcm", "two.dcm"):
        enhanced(folder / "in", [placed(depth) for depth in ORDER], name=name)
    with (folder / "boxes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "slice", "x_min", "y_min", "x_max", "y_max", "label"])
        table.writerows([(name, k, 10, 12, 20, 24, "lesion") for name in ("one.dcm", "two.dcm") for k in (1, 2)])
    path = folder / "small.yaml"
    base = load_profile("brain-mr").model_dump(mode="json") | SMALL
    path.write_text(yaml.safe_dump(base | {"modalities": ["MR"]}))
    summary = medaug.run(folder / "in", folder / "out", profile=str(path), annotations=folder / "boxes.csv", seed=7)
    assert summary.counts == {"written": 2}, [record.message for record in summary.records]
    return folder / "out"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    root = build(folder)
    private, _ = keys.new_keys(folder / "keys")
    seal(root, key=private)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"


def judged(folder: Path) -> Verdict:
    return verify(folder / "out", source=folder / "in", public_key=folder / "keys" / keys.PUBLIC)


def codes(verdict: Verdict) -> set[str]:
    return {fault.code for fault in verdict.faults}


def first(folder: Path) -> Record:
    return records(folder / "out")[0]


def image(folder: Path) -> Path:
    (output,) = first(folder).images
    return folder / "out" / output.path


def edit(folder: Path, change: Callable[[Dataset], object], name: str | None = None) -> None:
    """Change an object of the first unit and cover the traces: digests, ledger, lists and seal fit again."""
    path = image(folder) if name is None else image(folder).parent.parent / "evidence" / name
    ds = pydicom.dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=True)
    rewrite(folder / "out", first(folder).unit, lambda record: redigest(folder / "out", record))


def test_an_output_of_frames_is_sound(sound: Path) -> None:
    verdict = judged(sound)
    assert verdict.faults == ()
    assert (verdict.units, verdict.signed) == (2, True)
    assert verdict.compared > 2 * 2 * 10 * 12
    record = first(sound)
    assert record.source.frames == FRAMES
    assert record.slice_frames == ((0, 0), (0, 1), (0, 2), (0, 3))


def test_the_lesion_is_the_source_s_frame_by_frame(sound: Path) -> None:
    for record in records(sound / "out"):
        derived = pydicom.dcmread(sound / "out" / record.images[0].path)
        source = next(
            ds
            for p in (sound / "in").iterdir()
            if (ds := pydicom.dcmread(p)).SOPInstanceUID in record.source.instance_uids
        )
        original = source.pixel_array[list(FRAMES)]
        assert {box.start for box in record.boxes} == {(1, 12, 10), (2, 12, 10)}
        for box in record.boxes:
            np.testing.assert_array_equal(derived.pixel_array[box.slices], original[box.slices])
        assert (derived.pixel_array != original).any()


def test_it_is_replayed(sound: Path) -> None:
    (again,) = replay(sound / "out", [first(sound).unit], sound / "in")
    assert (again.same, again.images, again.changes) == (True, 1, {})


def _pixel_of_a_box_in_one_frame(ds: Dataset) -> None:
    pixels = ds.pixel_array.copy()
    pixels[1, 15, 12] += 1
    ds.PixelData = pixels.tobytes()


def _pixels_of_two_frames_swapped(ds: Dataset) -> None:
    ds.PixelData = ds.pixel_array[[0, 2, 1, 3]].tobytes()


def _groups_of_two_frames_swapped(ds: Dataset) -> None:
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    ds.PerFrameFunctionalGroupsSequence = [groups[k] for k in (0, 2, 1, 3)]


def _frames_swapped_whole(ds: Dataset) -> None:
    _pixels_of_two_frames_swapped(ds)
    _groups_of_two_frames_swapped(ds)


def _frame_dropped(ds: Dataset) -> None:
    pixels = ds.pixel_array[:3]
    ds.PerFrameFunctionalGroupsSequence = list(ds.PerFrameFunctionalGroupsSequence)[:3]
    ds.NumberOfFrames, ds.PixelData = 3, pixels.tobytes()


def _frame_added(ds: Dataset) -> None:
    pixels = ds.pixel_array[[0, 1, 2, 3, 3]]
    groups = list(ds.PerFrameFunctionalGroupsSequence)
    ds.PerFrameFunctionalGroupsSequence = [*groups, groups[-1]]
    ds.NumberOfFrames, ds.PixelData = 5, pixels.tobytes()


def _positions_swapped(ds: Dataset) -> None:
    one, two = (ds.PerFrameFunctionalGroupsSequence[k].PlanePositionSequence[0] for k in (0, 3))
    one.ImagePositionPatient, two.ImagePositionPatient = two.ImagePositionPatient, one.ImagePositionPatient


def _frame_says_another_source_frame(ds: Dataset) -> None:
    entry = ds.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence[-1]
    entry.SourceImageSequence[0].ReferencedFrameNumber = 1


def _frame_says_no_source(ds: Dataset) -> None:
    del ds.PerFrameFunctionalGroupsSequence[2].DerivationImageSequence


def _source_evidence_removed(ds: Dataset) -> None:
    del ds.SourceImageEvidenceSequence


def _frame_type_original(ds: Dataset) -> None:
    entry = ds.SharedFunctionalGroupsSequence[0].MRImageFrameTypeSequence[0]
    entry.FrameType = ["ORIGINAL", *entry.FrameType[1:]]


def _rescale_changed(ds: Dataset) -> None:
    ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleSlope = 2


def _said_to_be_carried_over(ds: Dataset) -> None:
    entry = ds.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence[-1]
    entry.DerivationCodeSequence[0].CodeValue = "CARRIED"


def _not_synthetic(ds: Dataset) -> None:
    ds.SyntheticData = "NO"


COVERED = {
    _pixel_of_a_box_in_one_frame: {"protected-changed"},
    _pixels_of_two_frames_swapped: {"protected-changed"},
    _groups_of_two_frames_swapped: {"reference", "grid-differs"},
    _frames_swapped_whole: {"reference", "grid-differs", "protected-changed"},
    _frame_dropped: {"grid-differs"},
    _frame_added: {"grid-differs"},
    _positions_swapped: {"grid-differs", "meaning-differs"},
    _frame_says_another_source_frame: {"reference"},
    _frame_says_no_source: {"reference"},
    _source_evidence_removed: {"reference"},
    _frame_type_original: {"not-derived"},
    _rescale_changed: {"meaning-differs"},
    _said_to_be_carried_over: {"carried-changed"},
    _not_synthetic: {"not-synthetic"},
}


@pytest.mark.parametrize("attack", COVERED, ids=lambda attack: attack.__name__.strip("_"))
def test_tampering_with_a_frame_is_found_and_named(folder: Path, attack: Callable[[Dataset], None]) -> None:
    edit(folder, attack)
    found = codes(judged(folder))
    assert COVERED[attack] <= found
    assert not found & {"file-changed", "pixels-differ", "ledger-chain", "record-differs", "list-differs"}


def test_frames_of_the_evidence_swapped(folder: Path) -> None:
    def swapped(ds: Dataset) -> None:
        groups = [g.DerivationImageSequence[0].SourceImageSequence[0] for g in ds.PerFrameFunctionalGroupsSequence]
        for group in groups:
            number = int(group.ReferencedFrameNumber)
            group.ReferencedFrameNumber = {1: 2, 2: 1}.get(number, number)

    edit(folder, swapped, "regions.dcm")
    assert "regions-differ" in codes(judged(folder))


def test_evidence_of_a_frame_that_is_not_there(folder: Path) -> None:
    def beyond(ds: Dataset) -> None:
        group = ds.PerFrameFunctionalGroupsSequence[0]
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = 9

    edit(folder, beyond, "regions.dcm")
    assert "unreadable" in codes(judged(folder))


def test_a_record_with_other_frames(folder: Path) -> None:
    record = first(folder)
    source = replace(record.source, frames=(3, 1, 0, 2))
    rewrite(folder / "out", record.unit, lambda r: replace(r, source=source))
    found = codes(judged(folder))
    assert {"unit-key", "reference", "protected-changed"} <= found


def test_a_record_with_a_frame_twice(folder: Path) -> None:
    record = first(folder)
    source = replace(record.source, frames=(1, 1, 0, 2))
    rewrite(folder / "out", record.unit, lambda r: replace(r, source=source))
    assert "unit-key" in codes(judged(folder))


def test_a_box_moved_to_another_frame_in_the_record(folder: Path) -> None:
    record = first(folder)
    (box, *rest) = record.boxes
    moved = replace(box, start=(0, *box.start[1:]), stop=(1, *box.stop[1:]))
    rewrite(folder / "out", record.unit, lambda r: replace(r, boxes=(moved, *rest)))
    assert {"recipe-differs", "regions-differ"} <= codes(judged(folder))


def test_frames_of_two_files_make_one_volume_and_two_files(tmp_path: Path) -> None:
    """Slice k alternates between the files; each derived file holds the slices of its own source."""

    def same_series(ds: Dataset) -> None:
        ds.SeriesInstanceUID = uid("one series")

    for name, depths in (("one.dcm", (6.0, 0.0)), ("two.dcm", (3.0, 9.0))):
        enhanced(tmp_path / "in", [placed(depth) for depth in depths], name=name, change=same_series)
    table = "image,slice,x_min,y_min,x_max,y_max,label\ntwo.dcm,1,10,12,20,24,lesion\n"
    (tmp_path / "boxes.csv").write_text(table)
    path = tmp_path / "small.yaml"
    base = load_profile("brain-mr").model_dump(mode="json") | SMALL
    path.write_text(yaml.safe_dump(base | {"modalities": ["MR"]}))
    summary = medaug.run(tmp_path / "in", tmp_path / "out", profile=str(path), annotations=tmp_path / "boxes.csv")
    assert summary.counts == {"written": 1}, [record.message for record in summary.records]
    (record,) = summary.records
    assert record.source.frames == (1, 0, 0, 1)
    assert record.slice_frames == ((0, 0), (1, 0), (0, 1), (1, 1))
    assert [pydicom.dcmread(tmp_path / "out" / image.path).NumberOfFrames for image in record.images] == [2, 2]
    verdict = verify(tmp_path / "out", source=tmp_path / "in")
    assert verdict.faults == ()
    assert len(record.boxes) == 1
    report = pydicom.dcmread(tmp_path / "out" / record.folder / "evidence" / "boxes.dcm")
    items = [item for e in report.iterall() if e.VR == "SQ" for item in e.value if "ReferencedFrameNumber" in item]
    n, frame = record.slice_frames[record.boxes[0].start[0]]
    expected = {(record.images[n].sop_instance_uid, frame + 1)}
    assert {(i.ReferencedSOPInstanceUID, int(i.ReferencedFrameNumber)) for i in items} == expected
    (again,) = replay(tmp_path / "out", [record.unit], tmp_path / "in")
    assert (again.same, again.images) == (True, 2)


def test_frames_are_linked_by_their_pixels_after_a_foreign_de_identification(sound: Path, tmp_path: Path) -> None:
    for number, record in enumerate(records(sound / "out")):
        ds = pydicom.dcmread(sound / "out" / record.images[0].path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("elsewhere", number)
        ds.SeriesInstanceUID, ds.StudyInstanceUID = uid("elsewhere"), uid("elsewhere", "study")
        ds.compress(RLELossless, generate_instance_uid=False)
        ds.save_as(tmp_path / f"{number}.dcm")
    links = link_by_pixels(sound / "out", tmp_path)
    assert (links.faults, links.absent, links.ignored) == ((), 0, 0)
    assert [found[0][0] for _, found in sorted(links.linked.items())] == [r.unit for r in records(sound / "out")]
