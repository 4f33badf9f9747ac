"""Boxes written in another format are read as the same boxes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

import medaug
from medaug.annotations.registry import read_annotations
from medaug.augmentation.recipe import Recipe
from medaug.errors import AnnotationError
from medaug.execution.exports import box_formats as conversion
from medaug.execution.planning.units import Unit
from medaug.formats.registry import FORMATS
from medaug.imaging.boxes import Box, Code
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import loaded, slices_of
from tests.support.dicom_validators import dciodvfy, errors
from tests.support.small_runs import small_profile


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct", identity_removed=True))


@pytest.fixture
def units(tmp_path: Path, ct: Volume) -> tuple[Unit, ...]:
    """A box over two slices and one beside it, two variants of one source."""
    mask = np.zeros((*ct.geometry.shape, 1), dtype=np.uint8)[..., 0]
    mask[2:4, 20:31, 10:25], mask[3, 50:53, 60:64] = 1, 1
    seg = make.seg(tmp_path / "seg", ct.source.files, mask, ['lesion, "left"'])
    planned = medaug.plan(tmp_path / "ct", profile=small_profile(tmp_path), annotations=seg, variants=2)
    assert len(planned.units) == 2
    return planned.units


EXPECTED = [
    ((2, 20, 10), (3, 31, 25)),
    ((3, 20, 10), (4, 31, 25)),
    ((3, 50, 60), (4, 53, 64)),
]


@pytest.mark.parametrize("name", ["csv", "coco", "yolo"])
def test_what_is_written_is_read_as_the_same_boxes(
    tmp_path: Path, ct: Volume, units: tuple[Unit, ...], name: str
) -> None:
    images = list(conversion.labelled(units))
    path = tmp_path / "out"
    path.mkdir()
    if name == "yolo":
        for file, text in conversion.to_yolo(images).items():
            (path / file).write_text(text)
    else:
        path = path / {"csv": "a.csv", "coco": "a.json"}[name]
        path.write_text(conversion.to_csv(images) if name == "csv" else conversion.to_coco(images))
    found = read_annotations(path, [ct])
    boxes = found.boxes[ct.source.key]
    assert sorted((box.start, box.stop) for box in boxes) == EXPECTED
    assert {box.label for box in boxes} == {'lesion, "left"'}
    assert not found.unmatched_annotations


def test_one_instance_of_several_slices_states_the_slice(tmp_path: Path, ct: Volume, units: tuple[Unit, ...]) -> None:
    uid = ct.source.instance_uids[0]
    enhanced = replace(ct, source=replace(ct.source, instance_uids=(uid,) * 6))
    units = tuple(replace(unit, reference=enhanced.source) for unit in units)
    images = list(conversion.labelled(units))
    for name, text in (("a.csv", conversion.to_csv(images)), ("a.json", conversion.to_coco(images))):
        (tmp_path / name).write_text(text)
        boxes = read_annotations(tmp_path / name, [enhanced]).boxes[enhanced.source.key]
        assert sorted((box.start, box.stop) for box in boxes) == EXPECTED
    with pytest.raises(AnnotationError, match="convert to coco or csv"):
        conversion.to_yolo(images)


@pytest.mark.parametrize("coded", [True, False])
def test_a_datalist_keeps_boxes_whole(tmp_path: Path, ct: Volume, units: tuple[Unit, ...], *, coded: bool) -> None:
    if not coded:
        units = tuple(replace(unit, boxes=tuple(replace(b, code=None) for b in unit.boxes)) for unit in units)
    (tmp_path / "list.json").write_text(text := conversion.to_monai(units))
    found = read_annotations(tmp_path / "list.json", [ct])
    assert [(b.start, b.stop, b.label) for b in found.boxes[ct.source.key]] == [
        (b.start, b.stop, b.label) for b in units[0].boxes
    ]
    assert not found.unmatched_annotations
    assert ("codes" in json.loads(text)) is coded
    assert str(tmp_path) not in text
    item = json.loads(text)["training"][0]
    assert item["image"] == ct.source.series_uid, "no file of that name is invented"
    assert item["medaug"]["sha256"] == units[0].reference.sha256[0]
    assert json.loads(conversion.to_monai(units, tmp_path))["training"][0]["image"] == "ct"


def test_images_are_named_by_their_files_only_where_that_is_asked_for(
    tmp_path: Path, ct: Volume, units: tuple[Unit, ...]
) -> None:
    bare, named = (
        json.loads(conversion.to_coco(list(conversion.labelled(units, root))))["images"] for root in (None, tmp_path)
    )
    assert all("file_name" not in image for image in bare)
    assert [image["sha256"] for image in bare] == list(units[0].reference.sha256[2:4])
    assert [tmp_path / image["file_name"] for image in named] == list(ct.source.files[2:4])
    assert set(conversion.to_yolo(list(conversion.labelled(units, tmp_path)))) == {
        "classes.txt", *(str(f.relative_to(tmp_path).with_suffix(".txt")) for f in ct.source.files[2:4])
    }  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_a_datalist_has_a_z_where_the_array_of_monais_reader_has_one(tmp_path: Path, kind: str) -> None:
    flat = make.volume((1, 40, 30), seed=3)
    deep = replace(make.volume((4 if FORMATS[kind].volumetric else 1, 40, 30), seed=4), padding=None)
    deep = replace(deep, source=replace(deep.source, format=kind))
    box = Box((0, 5, 3), (1, 9, 8), "a")
    made = [Unit(_recipe(v), None, v.source, (box,), v.geometry.shape, 0) for v in (flat, deep)]  # type: ignore[arg-type]
    (tmp_path / "list.json").write_text(text := conversion.to_monai(made))
    items = json.loads(text)["training"]
    flat_file = not FORMATS[kind].volumetric
    assert [item["box"][0] for item in items] == [[3, 5, 8, 9], [3, 5, 8, 9] if flat_file else [3, 5, 0, 8, 9, 1]]
    assert [item["medaug"]["axes"] for item in items] == ["column row", "column row" + " slice" * (not flat_file)]
    found = read_annotations(tmp_path / "list.json", [flat, deep])
    assert all(found.boxes[v.source.key] == (box,) for v in (flat, deep))


def _recipe(volume: Volume) -> Recipe:
    return Recipe(volume.source.key, "", 0, 0, "", "")


@pytest.mark.parametrize("label", ["Läsion / links", None])
def test_a_report_is_read_as_the_same_boxes_with_their_meaning(
    tmp_path: Path, ct: Volume, units: tuple[Unit, ...], label: str | None
) -> None:
    """A label without a code comes back letter by letter; one with a code as that code and its meaning."""
    if label:
        units = tuple(replace(u, boxes=tuple(replace(b, code=None, label=label) for b in u.boxes)) for u in units)
    units = tuple(replace(u, reference=ct.source) for u in units)
    conversion.write_sr(units, tmp_path / "sr", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    (path,) = (tmp_path / "sr").iterdir()
    assert errors(dciodvfy(path)) == set()
    report = pydicom.dcmread(path)
    assert "SyntheticData" not in report
    assert report.StudyInstanceUID == ct.source.study_uid
    found = read_annotations(path, [ct])
    boxes = found.boxes[ct.source.key]
    assert sorted((box.start, box.stop) for box in boxes) == EXPECTED
    expected = (label, None) if label else ("Lesion", Code("52988006", "SCT", "Lesion"))
    assert {(box.label, box.code) for box in boxes} == {expected}
    again = tmp_path / "again"
    conversion.write_sr(units, again, datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert path.read_bytes() == (again / path.name).read_bytes()


def test_slices_that_are_volumes_of_their_own_get_reports_with_names_of_their_own(tmp_path: Path, ct: Volume) -> None:
    box = Box((0, 5, 3), (1, 9, 8), "a")
    slices = slices_of(ct)[:2]
    made = [Unit(_recipe(v), None, v.source, (box,), v.geometry.shape, 0) for v in slices]  # type: ignore[arg-type]
    conversion.write_sr(made, tmp_path / "sr", datetime(2026, 3, 4, tzinfo=UTC))
    reports = [pydicom.dcmread(path) for path in sorted((tmp_path / "sr").iterdir())]
    assert len({report.SOPInstanceUID for report in reports}) == 2
    assert len({report.SeriesInstanceUID for report in reports}) == 1
    found = read_annotations(tmp_path / "sr", slices)
    assert all([replace(b, id="") for b in found.boxes[v.source.key]] == [box] for v in slices)


def test_only_dicom_can_be_reported_on(tmp_path: Path, units: tuple[Unit, ...]) -> None:
    other = [replace(unit, reference=replace(unit.reference, format="nifti")) for unit in units]
    with pytest.raises(AnnotationError, match="convert to monai, coco or csv"):
        conversion.write_sr(other, tmp_path / "sr", datetime(2026, 3, 4, tzinfo=UTC))
    assert not (tmp_path / "sr").exists()
