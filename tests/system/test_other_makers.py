"""Files as other makers write them, all the way: planned, solved, written, marked, and verified against the source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset

import medaug
from medaug.profile.load import load_profile
from medaug.verification.verify import verify
from tests.support import make
from tests.support.dicom_edit import edit
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.dicom_validators import dciodvfy, errors
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.sound_output import SMALL

MEASURES = {"PixelMeasuresSequence": {"PixelSpacing": [0.8, 0.9], "SliceThickness": 3}}
ORIENTATION = {"PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}}
TURNED = {"PlaneOrientationSequence": {"ImageOrientationPatient": [1, 1e-5, 0, -1e-5, 1, 0]}}
UNMEASURED = {"PixelMeasuresSequence": {"PixelSpacing": [0.8, 0.9]}}
BARE = ("PlaneOrientationSequence", "PixelMeasuresSequence")
Frames = list[dict[str, Any]]


def _frames(**macros: Any) -> Frames:
    return [placed(3.0 * k, **macros) for k in range(4)]


def _without(ds: Dataset, names: tuple[str, ...]) -> None:
    for name in names:
        for holder in (ds, ds.SharedFunctionalGroupsSequence[0]):
            if name in holder:
                delattr(holder, name)


# name → frames, and what the shared groups and the object itself have not
ENHANCED: dict[str, tuple[Frames, tuple[str, ...]]] = {
    "all_shared": (_frames(), ()),
    "measures_per_frame": (_frames(**MEASURES), BARE[1:]),
    "orientation_per_frame": (_frames(**ORIENTATION), BARE[:1]),
    "both_per_frame": (_frames(**MEASURES, **ORIENTATION), BARE),
    "turned_by_noise": ([*_frames(**ORIENTATION)[:2], *_frames(**TURNED)[2:]], BARE[:1]),
    "no_frame_of_reference": (_frames(), ("FrameOfReferenceUID",)),
    "no_thickness": (_frames(**UNMEASURED), BARE[1:]),
}


def _noisy(k: int) -> dict[str, Any]:
    return {"ImageOrientationPatient": [1, 1e-6 * k, 0, -1e-6 * k, 1, 0]}


# name → modality, and what each slice k of the series says otherwise; None takes an attribute out
CLASSIC: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "ct_no_thickness": ("CT", lambda _: {"SliceThickness": None}),
    "ct_empty_thickness": ("CT", lambda _: {"SliceThickness": ""}),
    "ct_turned_by_noise": ("CT", _noisy),
    "mr_no_thickness": ("MR", lambda _: {"SliceThickness": None}),
}


def _referring() -> Dataset:
    """An item about the patient that names an object of another study."""
    ds, other = Dataset(), Dataset()
    ds.PatientID, ds.TypeOfPatientID = "another", "TEXT"
    other.ReferencedSOPClassUID, other.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3.4"
    ds.ReferencedImageSequence = [other]
    return ds


# name → what a radiograph says otherwise
RADIOGRAPHS: dict[str, dict[str, Any]] = {
    "cr_spacing_0": {"PixelSpacing": [0, 0]},
    "cr_imager_spacing_0": {"ImagerPixelSpacing": [0, 0]},
    "cr_no_spacing": {"PixelSpacing": "", "ImagerPixelSpacing": ""},
    "cr_placed": {"ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
                  "FrameOfReferenceUID": "1.2.3"},
    "cr_window_1": {"WindowCenter": 0, "WindowWidth": 1},
    "cr_patient_refers": {"OtherPatientIDsSequence": [_referring()]},
}  # fmt: skip


def _export(root: Path) -> Path:
    """Every kind below ``root``/in, and a table with a box in each."""
    rows = []
    for name, (frames, missing) in ENHANCED.items():
        enhanced(root / "in", frames, name=f"{name}.dcm", change=partial(_without, names=missing))
        rows.append((f"{name}.dcm", 2))
    for number, (name, (modality, values)) in enumerate(CLASSIC.items()):
        files = make.series(root / "in" / name, slices=4, modality=modality, seed=10 + number)
        for k, path in enumerate(files):
            edit(path, **values(k))
            path.rename(path.with_name(f"{name}-{k}.dcm"))
        rows.append((f"{name}-1.dcm", 1))
    for number, (name, stated) in enumerate(RADIOGRAPHS.items()):
        edit(make.radiograph(root / "in", name=f"{name}.dcm", rows=64, columns=56, seed=30 + number), **stated)
        rows.append((f"{name}.dcm", 1))
    table = root / "boxes.csv"
    lines = [f"{file},lesion,{k},14,13,7,6" for file, k in rows]
    table.write_text("\n".join(["image,label,slice,x,y,width,height", *lines]))
    return table


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("makers")
    table, profile = _export(root), root / "small.yaml"
    regions = {"kind": "gaussian-outside", "sigma": 0.32, "margin": {"value": 1, "unit": "px"}}  # without spacing, too
    small = SMALL | {"modalities": ["CR", "CT", "MR"], "regions": regions}
    profile.write_text(yaml.safe_dump(load_profile("body-ct").model_dump(mode="json") | small))
    with in_place_of_the_embedded():
        summary = medaug.run(root / "in", root / "out", profile=str(profile), annotations=table)
    named = {str(pydicom.dcmread(path).SOPInstanceUID): path.stem.split("-")[0] for path in root.glob("in/**/*.dcm")}
    return root, {named[record.source.instance_uids[0]]: record for record in summary.records}


@pytest.mark.parametrize("name", [*ENHANCED, *CLASSIC, *RADIOGRAPHS])
def test_it_is_written_and_marked(done: tuple[Path, dict[str, Any]], name: str) -> None:
    root, records = done
    record = records[name]
    assert record.status == "written", record.message
    folder = root / "out" / record.folder
    regions = hd.seg.segread(folder / "evidence" / "regions.dcm")
    labels = _label(regions, len(record.slice_frames))
    expected = np.zeros_like(labels)
    for box in record.boxes:
        expected[box.slices] = True
    np.testing.assert_array_equal(labels, expected)
    assert errors(dciodvfy(folder / "evidence" / "regions.dcm")) == set()


def _label(regions: Any, slices: int) -> np.ndarray:
    """The frames of the third segment in slice order: by their place along the normal, which is z here."""
    groups = regions.PerFrameFunctionalGroupsSequence
    pixels = regions.pixel_array.reshape(len(groups), regions.Rows, regions.Columns).astype(np.bool_)
    own = [n for n, g in enumerate(groups) if g.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 3]
    assert len(own) == slices
    if slices > 1:
        own.sort(key=lambda n: groups[n].PlanePositionSequence[0].ImagePositionPatient[2])
    return np.asarray(pixels[own])


def test_no_fault_is_found_in_it(done: tuple[Path, dict[str, Any]]) -> None:
    root, records = done
    assert len(records) == len(ENHANCED) + len(CLASSIC) + len(RADIOGRAPHS)
    assert verify(root / "out", source=root / "in").faults == ()


def test_a_thickness_that_no_slice_states_is_how_far_they_lie_apart(done: tuple[Path, dict[str, Any]]) -> None:
    root, records = done
    for name in ("no_thickness", "ct_no_thickness", "mr_no_thickness"):
        record = records[name]
        ds = pydicom.dcmread(root / "out" / record.folder / "evidence" / "regions.dcm")
        (shared,) = ds.SharedFunctionalGroupsSequence
        assert float(shared.PixelMeasuresSequence[0].SliceThickness) == pytest.approx(record.geometry.spacing[0])
        assert ds.FrameOfReferenceUID
