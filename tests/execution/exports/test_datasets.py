"""`medaug export`, read back without medaug by what the two programs document.

YOLO: https://docs.ultralytics.com/datasets/detect/; nnU-Net: documentation/dataset_format.md and the checks of its
`verify_dataset_integrity`. Neither program is installed here.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
import yaml
from PIL import Image

from medaug.audit.record import Record
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.verification.verify import verify
from tests.support.dataset_export import export
from tests.support.sound_output import of, records


def refused(*words: object) -> str:
    found = export(*words)
    assert found.exit_code != 0
    return str(found.exception)


# --- YOLO ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def yolo(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yolo") / "set"
    found = export(sound / "out", "--to", "yolo", "-o", folder)
    assert found.exit_code == 0, found.output
    slices = sum(len({k for b in r.boxes for k in range(b.start[0], b.stop[0])}) for r in records(sound / "out"))
    assert found.output == f"{slices} images of 3 variants in {folder}\n"
    return folder


def labels_of(image: Path) -> list[tuple[int, float, float, float, float]]:
    """As the loader finds them: the last /images/ becomes /labels/, the suffix .txt; five numbers a line."""
    head, tail = str(image.with_suffix(".txt")).rsplit("/images/", 1)
    rows = [line.split() for line in Path(f"{head}/labels/{tail}").read_text().splitlines()]
    assert all(len(row) == 5 for row in rows)
    assert len({tuple(row) for row in rows}) == len(rows)
    return [(int(row[0]), *map(float, row[1:])) for row in rows]  # type: ignore[misc]


def test_yolo_data_yaml_names_what_is_there(yolo: Path) -> None:
    data = yaml.safe_load((yolo / "data.yaml").read_text())
    assert {"train", "val", "names"} <= data.keys()
    assert data["names"] == {0: "lesion", 1: "tumour"}
    root = yolo / data["path"]
    assert sorted(path.stem for path in (root / data["train"]).iterdir()) == sorted(
        path.stem for path in (yolo / "labels" / "train").iterdir()
    )
    assert list((root / data["val"]).iterdir()) == []


def test_every_yolo_box_is_the_record_s_and_holds_the_lesion(sound: Path, yolo: Path) -> None:
    names = {0: "lesion", 1: "tumour"}
    seen = 0
    for path in sorted((yolo / "images" / "train").iterdir()):
        unit, k = path.stem.split("-")
        record = next(r for r in records(sound / "out") if r.unit.startswith(unit))
        picture = np.asarray(Image.open(path))
        rows, columns = picture.shape
        assert (picture.dtype, picture.shape) == (np.uint8, record.geometry.shape[1:])
        found = set()
        for number, x, y, w, h in labels_of(path):
            assert all(0 <= value <= 1 for value in (x, y, w, h))
            edges = ((y - h / 2) * rows, (x - w / 2) * columns, (y + h / 2) * rows, (x + w / 2) * columns)
            np.testing.assert_allclose(edges, np.rint(edges), atol=1e-4)
            found.add((names[number], *np.rint(edges).astype(int).tolist()))
        assert found == {(b.label, *b.start[1:], *b.stop[1:]) for b in record.boxes if b.start[0] <= int(k) < b.stop[0]}
        if record.source.modality == "CR":
            assert_lesion(sound, record, picture)
            seen += 1
    assert seen == 1


def assert_lesion(sound: Path, record: Record, picture: np.ndarray) -> None:
    """Inside the box the picture is the source's lesion, in order of grey; outside it isn't."""
    source = pydicom.dcmread(sound / "in" / "x1.dcm").pixel_array.astype(int)
    (box,) = record.boxes
    inside = picture[box.slices[1:]].astype(int)
    order = np.argsort(source[box.slices[1:]], axis=None)
    assert (np.diff(inside.ravel()[order]) >= 0).all()
    assert len(np.unique(inside)) > 10
    elsewhere = np.argsort(source, axis=None)
    assert not (np.diff(picture.astype(int).ravel()[elsewhere]) >= 0).all()


# --- nnU-Net ---------------------------------------------------------------------------------------------------------


def masks(sound: Path) -> Path:
    return next(path for path in (sound / "labels").iterdir() if path.suffix == ".dcm")


@pytest.fixture(scope="module")
def nnunet(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nnunet") / "Dataset501_medaug"
    found = export(sound / "out", "--to", "nnunet", "-o", folder, "--source", sound / "in", "-a", masks(sound))
    assert found.exit_code == 0, found.output
    assert found.output == f"1 image of 1 variant in {folder}; 2 variants left out\n"
    return folder


def test_nnunet_would_accept_the_data_set(nnunet: Path) -> None:
    """What `verify_dataset_integrity` asks: keys, numbers, names, equal grids, labels without gaps."""
    data = json.loads((nnunet / "dataset.json").read_text())
    assert {"channel_names", "labels", "numTraining", "file_ending"} <= data.keys()
    assert data["channel_names"] == {"0": "CT"}
    assert data["labels"] == {"background": 0, "tumour": 1}
    cases = sorted(path.name.removesuffix(data["file_ending"]) for path in (nnunet / "labelsTr").iterdir())
    images = sorted(path.name for path in (nnunet / "imagesTr").iterdir())
    assert images == [f"{case}_0000{data['file_ending']}" for case in cases]
    assert len(cases) == data["numTraining"] == 1
    for case in cases:
        image = SimpleITK.ReadImage(str(nnunet / "imagesTr" / f"{case}_0000.nii.gz"))
        label = SimpleITK.ReadImage(str(nnunet / "labelsTr" / f"{case}.nii.gz"))
        assert image.GetSize() == label.GetSize()
        for what in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(image, what)(), getattr(label, what)())
        assert not np.isnan(SimpleITK.GetArrayFromImage(image)).any()
        assert set(np.unique(SimpleITK.GetArrayFromImage(label))) == {0, 1}


def test_an_nnunet_label_is_the_source_s_mask_and_lies_on_the_lesion(sound: Path, nnunet: Path) -> None:
    (series,) = (found for found in discover(sound / "in").series if found.modality == "CT")
    (source,) = read_series(series)
    mask = np.zeros(source.geometry.shape, bool)
    mask[1:3, 20:30, 25:40] = True  # what `output.export` drew
    for path in (nnunet / "labelsTr").iterdir():
        label = SimpleITK.ReadImage(str(path))
        np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(label).astype(bool), mask)
        np.testing.assert_allclose(label.GetOrigin(), source.geometry.to_world(np.zeros(3)), atol=1e-3)
        image = SimpleITK.ReadImage(str(nnunet / "imagesTr" / f"{path.name.removesuffix('.nii.gz')}_0000.nii.gz"))
        values = SimpleITK.GetArrayFromImage(image)
        np.testing.assert_array_equal(values[mask], source.modality[mask])
        assert (values != source.modality).any()


def test_a_nifti_label_map_is_exported_too(sound: Path, tmp_path: Path) -> None:
    annotation = sound / "labels" / "case_seg.nii.gz"
    found = export(sound / "out", "--to", "nnunet", "-o", tmp_path / "set", "--source", sound / "in", "-a", annotation)
    assert found.exit_code == 0, found.output
    assert found.output.startswith("1 image of 1 variant")
    for path in (tmp_path / "set" / "labelsTr").iterdir():
        label = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        assert np.argwhere(label).min(axis=0).tolist() == [1, 10, 12]
        assert int(label.sum()) == 100


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (["boxes.json"], "no variant's source has a mask"),
        (["labels"], "expected masks on images of one kind, found CT as .nii.gz, image as .nii.gz"),
    ],
)
def test_what_nnunet_can_not_hold_is_refused(sound: Path, tmp_path: Path, annotations: list[str], message: str) -> None:
    given = (
        [masks(sound), sound / "labels" / "case_seg.nii.gz"] if annotations == ["labels"] else [sound / "boxes.json"]
    )
    words = [word for path in given for word in ("-a", path)]
    assert message in refused(sound / "out", "--to", "nnunet", "-o", tmp_path / "set", "--source", sound / "in", *words)
    assert not (tmp_path / "set").exists()


def test_a_mask_that_the_run_did_not_protect_is_refused(sound: Path, tmp_path: Path) -> None:
    """The voxels of a larger mask would be labelled as lesion and hold generated pixels."""
    path = masks(sound)
    ds = pydicom.dcmread(path)
    ds.PixelData = b"\xff" * len(ds.PixelData)
    ds.save_as(tmp_path / "larger.dcm")
    words = ("--source", sound / "in", "-a", tmp_path / "larger.dcm")
    found = refused(sound / "out", "--to", "nnunet", "-o", tmp_path / "set", *words)
    assert "isn't inside the boxes that were protected" in found
    assert not (tmp_path / "set").exists()


def test_nnunet_needs_the_source_and_the_masks(sound: Path, tmp_path: Path) -> None:
    assert "give --source INPUT and --annotations" in refused(sound / "out", "--to", "nnunet", "-o", tmp_path / "set")


# --- both ------------------------------------------------------------------------------------------------------------


def test_an_export_lies_outside_of_output_and_overwrites_nothing(sound: Path, tmp_path: Path) -> None:
    assert "outside OUTPUT" in refused(sound / "out", "--to", "yolo", "-o", sound / "out" / "set")
    assert "nothing is overwritten" in refused(sound / "out", "--to", "yolo", "-o", tmp_path)
    assert verify(sound / "out", source=sound / "in").sound


def test_a_changed_image_is_not_exported(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound / "out", tmp_path / "out")
    path = tmp_path / "out" / of(tmp_path / "out", "CR").images[0].path
    path.write_bytes(path.read_bytes() + b"\0\0")
    assert "not those of the record" in refused(tmp_path / "out", "--to", "yolo", "-o", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def parts(sound: Path, tmp_path: Path, **where: str) -> Path:
    """A table of the real images; all series but those named are in training."""
    named = {
        of(sound / "out", "" if modality == "NIFTI" else modality).source.series_uid: modality
        for modality in ("CR", "CT", "NIFTI")
    }
    lines = [f"{uid},{where.get(modality, 'train')}" for uid, modality in named.items()]
    path = tmp_path / "parts.csv"
    path.write_text("\n".join(["series_uid,part", *lines]) + "\n")
    return path


def test_variants_of_a_test_patient_are_refused_or_left_out(sound: Path, tmp_path: Path) -> None:
    table = parts(sound, tmp_path, NIFTI="test")
    words = (sound / "out", "--to", "yolo", "-o", tmp_path / "set", "--parts", table)
    assert "may only enter training" in refused(*words)
    assert not (tmp_path / "set").exists()
    found = export(*words, "--leave-out")
    assert found.exit_code == 0, found.output
    assert found.output.endswith("; 1 variant left out\n")
    units = {path.stem.split("-")[0] for path in (tmp_path / "set" / "images" / "train").iterdir()}
    assert units == {r.unit[:16] for r in records(sound / "out") if r.source.modality}
