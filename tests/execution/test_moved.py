"""A run whose law moves: its record, its lists, its headers, what verify finds and what a replay makes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

import medaug
from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.execution.replay import replay
from medaug.imaging.motion import Motions, moved_boxes
from medaug.manifests.nnunet import label_map
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import boxes, small_profile
from tests.support.sound_output import redigest, rewrite
from tests.support.tampering import codes, edit, paint

LAW = {"kind": "moved", "margin": {"value": 0.04}, "rotation": 10, "shift": 0.06}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A radiograph, a picture of it and a CT in in/, variants of the first two in out/."""
    folder = tmp_path_factory.mktemp("moved")
    source = make.radiograph(folder / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    edit(source, lambda ds: setattr(ds, "ShutterShape", "RECTANGULAR"))
    pixels = pydicom.dcmread(source).pixel_array
    Image.fromarray((pixels // 16).astype(np.uint8)).save(folder / "in" / "x2.png")
    make.series(folder / "in" / "ct", slices=4, seed=9)
    medaug.run(
        folder / "in",
        folder / "out",
        profile=small_profile(folder, regions=LAW),
        annotations=boxes(folder / "boxes.json", ("x1.dcm", "x2.png")),
        accept_identity="phantoms",
        seed=3,
    )
    return folder


def records(out: Path) -> dict[str, Record]:
    return {record.source.format: record for record in ledger.read(out / "ledger")}


def test_records_hold_the_map_and_both_places_and_can_be_read_again(ran: Path) -> None:
    found = records(ran / "out")
    assert [record.status for record in found.values()] == ["written", "written"]
    for record in found.values():
        assert record.moved is not None
        assert record.geometry is not None
        assert record.boxes == moved_boxes(record.moved.boxes, record.moved.motions, record.geometry.shape[1:])
        assert record.boxes != record.moved.boxes == record.source_boxes
        assert Record.from_json(record.to_json()) == record


def test_lists_and_previews_show_the_new_place(ran: Path) -> None:
    record = records(ran / "out")["dicom"]
    ((_, top, left), (_, bottom, right)) = record.boxes[0].start, record.boxes[0].stop
    listed = json.loads((ran / "out" / "coco.json").read_text())
    placed = {tuple(one["bbox"]) for one in listed["annotations"]}
    assert (left, top, right - left, bottom - top) in placed
    monai = json.loads((ran / "out" / "monai.json").read_text())["training"]
    assert [left, top, right, bottom] in [item["box"][0] for item in monai] or [top, left, bottom, right] in [
        item["box"][0] for item in monai
    ]


def test_headers_say_that_labelled_pixels_were_resampled(ran: Path) -> None:
    record = records(ran / "out")["dicom"]
    ds = pydicom.dcmread(ran / "out" / record.images[0].path)
    codes = [(c.CodeValue, c.CodingSchemeDesignator) for c in ds.DerivationCodeSequence]
    assert codes == [("113085", "DCM"), ("GENERATED", "99MEDAUG")]
    assert "all pixels, labelled ones included, resampled: image turned" in ds.DerivationDescription
    assert [item.SpatialLocationsPreserved for item in ds.SourceImageSequence] == ["NO"]
    assert "ShutterShape" not in ds


def test_volumes_are_left_out_with_a_sentence(ran: Path) -> None:
    skips = json.loads((ran / "out" / "plan.json").read_text())["skips"]
    (skip,) = (skip for skip in skips if skip["code"] == "not-planar")
    assert "moving is for radiographs and pictures, found 4 slices in patient space" in skip["reason"]


def test_verify_applies_the_map_to_the_source(ran: Path) -> None:
    verdict = verify(ran / "out", source=ran / "in")
    assert verdict.faults == ()
    assert verdict.compared > 1000


def test_a_replay_draws_the_same_map(ran: Path) -> None:
    units = [record.unit for record in ledger.read(ran / "out" / "ledger")]
    assert [again.same for again in replay(ran / "out", units, ran / "in")] == [True, True]


def test_a_labelled_pixel_that_is_not_the_moved_source_s_is_found(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran, tmp_path / "copy")
    root = tmp_path / "copy" / "out"
    record = records(root)["dicom"]
    (_, row, column), (_, bottom, right) = record.boxes[0].start, record.boxes[0].stop
    paint(root / record.images[0].path, (row + bottom) // 2, (column + right) // 2)
    rewrite(root, record.unit, lambda found: redigest(root, found))
    assert "protected-changed" in codes(verify(root, source=ran / "in"))
    assert "protected-changed" not in codes(verify(root))  # only the map and the source show it


def another_map(record: Record) -> Record:
    """A pixel further down, with the boxes that follow from it."""
    assert record.moved is not None
    assert record.geometry is not None
    (part,) = record.moved.motions.parts
    motions = Motions((replace(part, shift=(part.shift[0] - 65536, part.shift[1])),), record.moved.motions.strips)
    there = moved_boxes(record.moved.boxes, motions, record.geometry.shape[1:]) or ()
    return replace(record, moved=replace(record.moved, motions=motions), boxes=there)


def test_another_map_than_the_one_that_moved_it_is_found(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran / "out", tmp_path / "out")
    record = records(tmp_path / "out")["raster" if "raster" in records(tmp_path / "out") else "png"]
    rewrite(tmp_path / "out", record.unit, another_map)
    assert "protected-changed" in codes(verify(tmp_path / "out", source=ran / "in"))


def test_a_box_elsewhere_and_a_map_that_is_missing_are_found(ran: Path, tmp_path: Path) -> None:
    for number, change in enumerate(
        (lambda r: replace(r, boxes=r.source_boxes), lambda r: replace(r, moved=None, boxes=r.source_boxes))
    ):
        shutil.copytree(ran / "out", tmp_path / str(number))
        rewrite(tmp_path / str(number), records(tmp_path / str(number))["dicom"].unit, change)
        assert "moved-differs" in codes(verify(tmp_path / str(number)))


def test_masks_of_a_data_set_move_along(ran: Path) -> None:
    record = records(ran / "out")["dicom"]
    mask = np.zeros((1, 120, 100), dtype=bool)
    inner = tuple(slice(part.start + 2, part.stop - 2) for part in record.source_boxes[0].slices[1:])
    mask[(0, *inner)] = True
    numbers = label_map(record, {"lesion": mask}, ["lesion"])
    inside = np.zeros_like(mask)
    inside[record.boxes[0].slices] = True
    assert numbers.sum() == pytest.approx(mask.sum(), rel=0.25)
    assert not numbers[~inside].any()
    assert (numbers.astype(bool) != mask).any()


def test_where_the_surroundings_move_labelled_pixels_are_the_source_s_bit_for_bit(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    law = {**LAW, "what": "surroundings", "rotation": 1, "shift": 0.01, "elastic": 0.03}
    medaug.run(
        tmp_path / "in",
        tmp_path / "out",
        profile=small_profile(tmp_path, regions=law),
        annotations=boxes(tmp_path / "boxes.json", ("x1.dcm",)),
    )
    record = records(tmp_path / "out")["dicom"]
    assert record.moved is not None
    assert record.boxes == record.source_boxes
    before = pydicom.dcmread(tmp_path / "in" / "x1.dcm")
    after = pydicom.dcmread(tmp_path / "out" / record.images[0].path)
    inside = record.boxes[0].slices[1:]
    assert np.array_equal(before.pixel_array[inside], after.pixel_array[inside])
    assert (before.pixel_array != after.pixel_array).mean() > 0.3
    assert "all but the labels and their rim resampled" in after.DerivationDescription
    assert verify(tmp_path / "out", source=tmp_path / "in").faults == ()
    (again,) = replay(tmp_path / "out", [record.unit], tmp_path / "in")
    assert again.same
