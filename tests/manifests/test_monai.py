"""The datalist against real MONAI: what its readers put inside a box must be the lesion's stored numbers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from medaug.audit.record import Grid, Output, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.write import write_series
from medaug.formats.nifti import write_nifti
from medaug.imaging.boxes import Box, Code
from medaug.imaging.geometry import Geometry
from medaug.imaging.seeds import generator
from medaug.manifests.coco import write_coco
from medaug.manifests.monai import world, write_monai
from medaug.verification.list_entries import check_lists
from tests.support import make
from tests.support.dicom_derived import PROVENANCE
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.records import digest, failed, outputs, record

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
ORIENTATIONS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "feet first": (-1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": OBLIQUE,
}

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own


def derived(sources: Sequence[Path], output: Path, box: Box, name: str = "a") -> tuple[Record, np.ndarray]:
    """Lay files out as `write_series` does: 0001.dcm and up, InstanceNumber along the slice normal."""
    built = record(name)
    folder = output / built.folder / "image"
    folder.mkdir(parents=True)
    values, files = [], []
    for k, source in enumerate(sources):
        ds = pydicom.dcmread(source)
        ds.InstanceNumber = k + 1
        ds.save_as(folder / f"{k + 1:04d}.dcm")
        files.append(folder / f"{k + 1:04d}.dcm")
        values.append(ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0)))
    stack = np.stack(values)
    uids = tuple(f"1.2.826.0.1.1.{k}" for k in range(len(files)))
    built = replace(built, source=replace(built.source, instance_uids=uids, sha256=built.source.sha256 * len(files)))
    grid = Grid(stack.shape, record().geometry.affine, "patient", (1.0, 1.0, 1.0))
    return replace(built, outputs=outputs(built.unit, files, output), boxes=(box,), geometry=grid), stack


def loaded(output: Path, **reader: Any) -> list[dict[str, Any]]:
    from monai.data import load_decathlon_datalist
    from monai.transforms import LoadImaged

    items = load_decathlon_datalist(output / "monai.json", data_list_key="training")
    return [LoadImaged(keys="image", **reader)(item) for item in items]


def inside(item: dict[str, Any], number: int = 0) -> np.ndarray:
    """What a detector sees in a box, in index order (k, i, j) of medaug."""
    corners = item["box"][number]
    axes = len(corners) // 2
    assert item["image"].ndim == axes, "a box has as many axes as its image"
    cut = item["image"].numpy()[tuple(map(slice, corners[:axes], corners[axes:]))]
    return cut.T if axes == 3 else cut.T[None]


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("reader", [{"reader": "PydicomReader"}, {}])
def test_a_box_in_a_ct_holds_the_lesion_whatever_the_orientation(
    tmp_path: Path, name: str, reader: dict[str, str]
) -> None:
    sources = make.series(tmp_path / "in", slices=7, rows=20, columns=30, orientation=ORIENTATIONS[name])
    box = Box((1, 3, 9), (4, 8, 21), "nodule")
    built, stack = derived(sources, tmp_path / "out", box)
    write_monai([built], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", **reader)
    assert item["image"].shape == (30, 20, 7)
    assert np.array_equal(inside(item), stack[box.slices])


def test_a_box_that_is_one_slice_off_holds_something_else(tmp_path: Path) -> None:
    sources = make.series(tmp_path / "in", slices=7, rows=20, columns=30)
    box = Box((1, 3, 9), (4, 8, 21), "nodule")
    built, stack = derived(sources, tmp_path / "out", box)
    write_monai([replace(built, boxes=(replace(box, start=(2, 3, 9), stop=(5, 8, 21)),))], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", reader="PydicomReader")
    assert not np.array_equal(inside(item), stack[box.slices])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_box_in_a_radiograph_has_four_numbers(tmp_path: Path, photometric: str) -> None:
    source = make.radiograph(tmp_path / "in", rows=40, columns=30, photometric=photometric)
    box = make.lesion((1, 40, 30))
    built, stack = derived([source], tmp_path / "out", box)
    write_monai([built], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", reader="PydicomReader")
    assert item["image"].shape == (30, 40)
    assert np.array_equal(inside(item), stack[box.slices])


def test_one_slice_of_a_ct_has_four_numbers_too(tmp_path: Path) -> None:
    source = make.series(tmp_path / "in", slices=3, rows=20, columns=30)[1]
    box = Box((0, 3, 9), (1, 8, 21), "nodule")
    built, stack = derived([source], tmp_path / "out", box)
    write_monai([built], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", reader="PydicomReader")
    assert np.array_equal(inside(item), stack[box.slices])


@pytest.mark.parametrize("kind", ["axial", "oblique", "MONOCHROME1"])
def test_what_the_writer_wrote_holds_the_source_lesion(tmp_path: Path, kind: str) -> None:
    """The whole way: real reader, real writer, MONAI; all but the lesion is changed."""
    if kind in ORIENTATIONS:
        make.series(tmp_path / "in", slices=7, rows=20, columns=30, orientation=ORIENTATIONS[kind])
    else:
        make.radiograph(tmp_path / "in", rows=40, columns=30, photometric=kind)
    (found,) = discover(tmp_path / "in").series
    (source,) = read_series(found)
    box = make.lesion(source.geometry.shape)
    changed = np.ones(source.stored.shape, dtype=np.bool_)
    changed[box.slices] = False
    variant = source.with_modality(source.modality + 7, changed)
    built = record()
    provenance = Provenance(built.unit, 0, "7", "a test", "0.1.0", datetime(2026, 1, 2, tzinfo=UTC), "none", "0" * 16)
    folder = tmp_path / "out" / built.folder / "image"
    files = [f.path for f in write_series(variant, changed, source=source, provenance=provenance, folder=folder)]
    listed = outputs(built.unit, files, tmp_path / "out")
    grid = Grid.of(source.geometry)
    write_monai([replace(built, outputs=listed, boxes=(box,), geometry=grid)], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", reader="PydicomReader")
    assert np.array_equal(inside(item), source.modality[box.slices])
    everything = item["image"].numpy().T.reshape(source.geometry.shape)
    assert np.array_equal(everything, variant.modality)
    assert not np.array_equal(everything, source.modality)


@pytest.mark.parametrize("orientation", [ORIENTATIONS["axial"], OBLIQUE])
def test_a_box_on_frames_follows_the_array_that_the_reader_gives(tmp_path: Path, orientation: Sequence[float]) -> None:
    """`PydicomReader` gives frames as [row, frame, column]; when that changes, this fails and `axes_of` follows."""
    normal = np.cross(orientation[:3], orientation[3:])
    frames = [placed(depth, normal=normal) for depth in (6.0, 0.0, 9.0, 3.0)]
    enhanced(tmp_path / "in", frames, orientation=orientation)
    (found,) = discover(tmp_path / "in").series
    (source,) = read_series(found)
    box, changed = Box((1, 12, 10), (3, 24, 20), "lesion"), np.ones(source.stored.shape, dtype=np.bool_)
    changed[box.slices] = False
    built, folder = record(), tmp_path / "out" / record().folder / "image"
    files = write_series(
        source.with_modality(source.modality + 7, changed),
        changed,
        source=source,
        provenance=PROVENANCE,
        folder=folder,
    )
    listed, grid = outputs(built.unit, [file.path for file in files], tmp_path / "out"), Grid.of(source.geometry)
    origin = RecordedSource.of(source.source, "0" * 16)
    write_monai([replace(built, source=origin, outputs=listed, boxes=(box,), geometry=grid)], tmp_path / "out")
    (item,) = loaded(tmp_path / "out", reader="PydicomReader")
    assert item["medaug"]["axes"] == "row slice column"
    corners = item["box"][0]
    cut = item["image"].numpy()[tuple(map(slice, corners[:3], corners[3:]))]
    assert np.array_equal(cut.transpose(1, 0, 2), source.stored[box.slices])
    assert item["box_lps"] == [world(box, source.geometry)]


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_a_world_box_lies_on_voxel_edges_whatever_is_flipped(name: str, flips: tuple[int, int, int]) -> None:
    """MONAI's own conversion is a voxel off under flips (its bug 7740): here the edges come back exactly."""
    row, column = np.array(ORIENTATIONS[name][:3], float), np.array(ORIENTATIONS[name][3:], float)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([np.cross(row, column) * 3, column * 0.5, row * 0.75]) * flips
    affine[:3, 3] = 10, -20, 30
    geometry = Geometry((7, 20, 30), affine, "patient")
    box = Box((1, 3, 9), (4, 8, 21), "nodule")
    low, high = np.split(np.array(world(box, geometry)), 2)
    inside_ = np.argwhere(np.ones(box.shape)) + box.start
    centres = geometry.to_world(inside_)
    assert (centres > low).all()
    assert (centres < high).all()
    # the corner voxels reach the faces: half a voxel along each axis of the grid, as far as it goes along that face
    reach = np.abs(affine[:3, :3]).sum(axis=1) / 2
    np.testing.assert_allclose(centres.min(axis=0) - reach, low, atol=1e-3)
    np.testing.assert_allclose(centres.max(axis=0) + reach, high, atol=1e-3)
    if name != "oblique":
        edges = (np.linalg.inv(affine) @ np.array([*low, 1]))[:3], (np.linalg.inv(affine) @ np.array([*high, 1]))[:3]
        np.testing.assert_allclose(np.minimum(*edges) + 0.5, box.start, atol=1e-3)
        np.testing.assert_allclose(np.maximum(*edges) + 0.5, box.stop, atol=1e-3)


def test_verify_agrees_on_world_boxes_of_any_grid(tmp_path: Path) -> None:
    """Two formulas, two roundings: a tie of the last decimal is no fault (it was, on a real oblique MR)."""
    draw = np.random.default_rng(3)
    for number in range(60):
        rotation = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = rotation * draw.uniform(0.3, 3, 3), draw.uniform(-200, 200, 3)
        boxes = tuple(Box((k, 150, 100), (k + 1, 185, 130), label) for k in (3, 5) for label in "ba")
        files = tuple(Output(f"{record().folder}/image/{k:04d}.dcm", digest(k)) for k in range(8))
        source = replace(record().source, instance_uids=tuple(f"1.{k}" for k in range(8)), sha256=(digest("x"),) * 8)
        grid = Grid.of(Geometry((8, 384, 274), affine, "patient"))
        built = record(outputs=files, boxes=boxes, geometry=grid, source=source)
        (tmp_path / "monai.json").unlink(missing_ok=True)
        path = write_monai([built], tmp_path)
        faults = [fault for fault in check_lists(tmp_path, [built]) if fault.file == path.name]
        assert faults == [], number


def test_a_radiograph_has_no_world_box(tmp_path: Path) -> None:
    (item,) = json.loads(write_monai([record()], tmp_path).read_text())["training"]
    assert "box_lps" not in item


def test_all_of_a_patient_is_in_one_fold_and_folds_do_not_move(tmp_path: Path) -> None:
    names = [f"{n:02d}" for n in range(40)]
    built = [
        record(f"{name}/{n}", source=replace(record().source, patient=name, key=digest(name, n)))
        for name in names
        for n in (0, 1)
    ]
    items = json.loads(write_monai(built, tmp_path).read_text())["training"]
    folds = {patient: {item["fold"] for item in items if item["medaug"]["patient"] == patient} for patient in names}
    assert all(len(found) == 1 for found in folds.values())
    assert {fold for found in folds.values() for fold in found} == set(range(5))
    fewer = json.loads(write_monai(built[:20], tmp_path).read_text())["training"]
    assert all({item["fold"]} == folds[item["medaug"]["patient"]] for item in fewer)


def nifti(output: Path, affine: np.ndarray, shape: tuple[int, int, int], box: Box) -> tuple[Record, np.ndarray]:
    stored = generator("nifti", *shape).integers(0, 4095, shape, dtype=np.int16)
    volume = make.volume((2, 8, 8))
    rescale = (replace(volume.rescale[0], slope=0.5, intercept=-3.0),) * shape[0]
    volume = replace(volume, stored=stored, geometry=Geometry(shape, affine, "patient"), rescale=rescale)
    built = record()
    path = output / built.folder / "image.nii.gz"
    path.parent.mkdir(parents=True)
    write_nifti(volume, path)
    files = (Output(path.relative_to(output).as_posix(), digest("n")),)
    return replace(built, outputs=files, boxes=(box,), geometry=Grid.of(volume.geometry)), volume.modality


@pytest.mark.parametrize("reader", [{}, {"reader": "NibabelReader"}])
@pytest.mark.parametrize("seed", range(3))
def test_a_box_in_nifti_holds_the_lesion_whatever_the_orientation(
    tmp_path: Path, reader: dict[str, str], seed: int
) -> None:
    rotation = np.linalg.qr(generator("rotation", seed).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation * [3.0, 0.5, 0.75], [10, -20, 30]
    box = Box((1, 3, 9), (4, 8, 21), "nodule")
    built, values = nifti(tmp_path, affine, (7, 20, 30), box)
    write_monai([built], tmp_path)
    (item,) = loaded(tmp_path, **reader)
    assert item["image"].shape == (30, 20, 7)
    assert np.array_equal(inside(item), values[box.slices])


def test_one_slice_of_nifti_keeps_its_third_axis(tmp_path: Path) -> None:
    box = Box((0, 3, 9), (1, 8, 21), "nodule")
    built, values = nifti(tmp_path, np.diag([2.0, 2.0, 2.0, 1.0])[:, [2, 1, 0, 3]], (1, 20, 30), box)
    write_monai([built], tmp_path)
    (item,) = loaded(tmp_path)
    assert len(item["box"][0]) == 6
    assert np.array_equal(inside(item), values[box.slices])


def test_nothing_but_the_image_becomes_a_path(tmp_path: Path) -> None:
    """Names of classes and provenance that happen to be names of files stay what they are."""
    from monai.data import load_decathlon_datalist

    built, _ = derived([make.radiograph(tmp_path / "in")], tmp_path, Box((0, 3, 9), (1, 8, 21), "trap"))
    built = replace(built, source=replace(built.source, patient="trap", series_uid="trap", key=digest("trap")))
    for name in ("trap", "0", digest("trap"), built.unit):
        (tmp_path / name).write_text("an existing file")
    (tmp_path / built.folder / "record.json").write_text("{}")
    path = write_monai([built], tmp_path)
    (item,) = load_decathlon_datalist(path, is_segmentation=True)
    assert item["image"] == str(tmp_path / built.folder / "image")
    assert item["label"] == [0]
    assert item["medaug"] == json.loads(path.read_text())["training"][0]["medaug"]
    assert str(tmp_path) not in str(item["medaug"])


def test_provenance_collates_where_boxes_differ_in_number(tmp_path: Path) -> None:
    from monai.data import load_decathlon_datalist
    from torch.utils.data import default_collate

    two = record("b", boxes=(Box((0, 1, 2), (1, 5, 6), "cyst"), Box((0, 3, 4), (1, 8, 9), "nodule")))
    items = load_decathlon_datalist(write_monai([two, record("a")], tmp_path))
    assert sorted(len(item["box"]) for item in items) == sorted(len(item["label"]) for item in items) == [1, 2]
    assert default_collate([item["medaug"] for item in items])["unit"] == [item["medaug"]["unit"] for item in items]


def test_labels_are_numbered_by_name_and_units_that_failed_are_left_out(tmp_path: Path) -> None:
    boxes = [Box((0, 1, 2), (1, 5, 6), label) for label in ("wrist", "ankle", "ankle")]
    records = [record("a", boxes=tuple(boxes)), failed("b"), record("c", boxes=(Box((0, 1, 2), (1, 5, 6), "knee"),))]
    content = json.loads(write_monai(records, tmp_path).read_text())
    assert content["labels"] == {"0": "ankle", "1": "knee", "2": "wrist"}
    assert content["numTraining"] == len(content["training"]) == 2
    assert sorted(item["label"] for item in content["training"]) == [[1], [2, 0, 0]]
    assert set(content) == {"name", "description", "labels", "numTraining", "training"}


def test_the_codes_of_a_class_stand_beside_its_name(tmp_path: Path) -> None:
    mass, fracture = Code("4147007", "SCT", "Mass"), Code("72704001", "SCT", "Fracture of bone")
    boxes = (Box((0, 1, 2), (1, 5, 6), "wrist", code=fracture), Box((0, 1, 2), (1, 5, 6), "ankle"))
    records = [record("a", boxes=boxes), record("c", boxes=(Box((0, 1, 2), (1, 5, 6), "wrist", code=mass),))]
    content = json.loads(write_monai(records, tmp_path).read_text())
    assert content["codes"] == {
        "1": [
            {"value": "4147007", "scheme": "SCT", "meaning": "Mass"},
            {"value": "72704001", "scheme": "SCT", "meaning": "Fracture of bone"},
        ]
    }
    categories = json.loads(write_coco(records, tmp_path).read_text())["categories"]
    assert categories == [{"id": 1, "name": "ankle"}, {"id": 2, "name": "wrist", "codes": content["codes"]["1"]}]


def test_the_order_of_records_does_not_matter(tmp_path: Path) -> None:
    records = [record(name, variant=n) for n, name in enumerate("abc")]
    first = write_monai(records, tmp_path).read_bytes()
    assert write_monai(records[::-1], tmp_path).read_bytes() == first
    assert write_monai(records[:2], tmp_path).read_bytes() != first


def test_an_output_without_images_is_an_empty_list(tmp_path: Path) -> None:
    from monai.data import load_decathlon_datalist

    assert load_decathlon_datalist(write_monai([failed()], tmp_path)) == []
