"""The main job on real cases: run with ``pytest -m data`` where MEDAUG_DATA or ../shared/data is there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset

import medaug
from medaug.execution.replay import replay
from medaug.execution.summary import Summary
from medaug.formats.nifti import read_nifti
from medaug.profile.load import load_profile
from medaug.verification.verify import verify
from tests.support import make
from tests.support.annotation_objects import item

pytestmark = [pytest.mark.data, pytest.mark.slow]
OPEN = ("seam", "sharpness", "noise", "air_noise", "through_plane", "observed_residual")
STATED = "public test data, see its README"


def fewer_steps(folder: Path, name: str, **changes: object) -> str:
    """A shipped profile with few steps: what is tested is the line, not the picture."""
    base = load_profile(name).model_dump(mode="json")
    weights = {"omega": 0.04, "gamma": 0.004} if "omega" in base["solver"] else {}
    base["solver"] |= {"steps": 4, **weights}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(base | {"name": f"{name}-few"} | changes))
    return str(path)


def rows(path: Path, header: str, *lines: tuple[object, ...]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *lines])
    return path


def assert_protected(summary: Summary, sources: list[Path]) -> None:
    """From the files alone: inside every box the derived instance holds the source's stored numbers."""
    originals = {str((ds := pydicom.dcmread(path)).SOPInstanceUID): ds for path in sources}
    for record in summary.records:
        for k, image in enumerate(record.images):
            derived = pydicom.dcmread(summary.output / image.path)
            source = originals[derived.SourceImageSequence[0].ReferencedSOPInstanceUID]
            assert derived.SyntheticData == "YES"
            for box in record.boxes:
                if box.start[0] <= k < box.stop[0]:
                    inside = box.slices[1:]
                    np.testing.assert_array_equal(derived.pixel_array[inside], source.pixel_array[inside])


def test_05_a_leg_in_jpeg_lossless_monochrome1(data: Path, tmp_path: Path) -> None:
    case = data / "dev" / "05_cr_extremity_nema"
    box = json.loads((case / "boxes_by_eye.json").read_text())["boxes"][0]
    corners = (box["x0"], box["y0"], box["x1"], box["y1"], "lesion")
    boxes = rows(tmp_path / "b.csv", "image,x_min,y_min,x_max,y_max,label", ("RG3_JPLL.dcm", *corners))
    summary = medaug.run(
        case, tmp_path / "out", profile=fewer_steps(tmp_path, "bone-xray"), annotations=boxes, accept_identity=STATED
    )
    assert summary.counts == {"written": 1}
    assert_protected(summary, [case / "RG3_JPLL.dcm"])
    derived = pydicom.dcmread(summary.output / summary.records[0].images[0].path)
    assert derived.PhotometricInterpretation == "MONOCHROME1"
    assert not derived.file_meta.TransferSyntaxUID.is_compressed


def test_04_a_tilted_head_is_refused_as_a_volume_and_runs_slice_by_slice(data: Path, tmp_path: Path) -> None:
    case = data / "dev" / "04_ct_head_tilt_ge"
    files = sorted((case / "ct").iterdir())
    ten = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in files[10:12]]
    boxes = rows(
        tmp_path / "b.csv",
        "sop_instance_uid,x_min,y_min,x_max,y_max,label",
        *[(uid, 240, 240, 280, 280, "x") for uid in ten],
    )
    common = {"annotations": boxes, "accept_identity": STATED}
    refused = medaug.run(case / "ct", tmp_path / "v", profile=fewer_steps(tmp_path, "brain-ct"), **common)
    assert refused.exit_code == 3
    (skip,) = [skip for skip in refused.skips if skip.refused]
    assert skip.code == "gantry-tilt"
    assert "18.5°" in skip.reason
    each = fewer_steps(tmp_path, "brain-ct", volumes={"slices": "each"})
    summary = medaug.run(case / "ct", tmp_path / "s", profile=each, **common)
    assert summary.counts == {"written": 2}
    assert_protected(summary, files)


def test_07_a_whole_oblique_mr_series(data: Path, tmp_path: Path) -> None:
    files = sorted((data / "dev" / "07_mr_t1_studyforrest" / "mr").iterdir())
    marked = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in files[30:33]]
    boxes = rows(
        tmp_path / "b.csv",
        "sop_instance_uid,x_min,y_min,x_max,y_max,label",
        *[(u, 100, 150, 130, 185, "x") for u in marked],
    )
    summary = medaug.run(
        files[0].parent,
        tmp_path / "out",
        profile=fewer_steps(tmp_path, "brain-mr"),
        annotations=boxes,
        accept_identity=STATED,
    )
    assert summary.counts == {"written": 1}
    assert len(summary.records[0].images) == 64
    assert_protected(summary, files)


def test_12_nifti_with_a_label_map(data: Path, tmp_path: Path) -> None:
    case = data / "dev" / "12_nifti_brain_label_pyradiomics"
    image = case / "brain1_image.nii.gz"
    summary = medaug.run(
        image,
        tmp_path / "out",
        profile=fewer_steps(tmp_path, "brain-mr"),
        annotations=case / "brain1_label.nii.gz",
        accept_identity=STATED,
    )
    assert summary.counts == {"written": 1}
    (record,) = summary.records
    source, derived = read_nifti(image), read_nifti(summary.output / record.images[0].path)
    assert derived.geometry.close_to(source.geometry)
    for box in record.boxes:
        np.testing.assert_array_equal(derived.stored[box.slices], source.stored[box.slices])
    assert (derived.stored != source.stored).any()


def test_03_a_ct_with_the_liver_as_dicom_seg(data: Path, tmp_path: Path) -> None:
    case = data / "dev" / "03_ct_liver_seg_dcmqi"
    summary = medaug.run(
        case / "ct",
        tmp_path / "out",
        profile=fewer_steps(tmp_path, "body-ct"),
        annotations=case / "seg" / "liver.dcm",
        accept_identity=STATED,
    )
    assert summary.counts == {"written": 1}
    assert {box.label for box in summary.records[0].boxes} == {"Liver"}
    assert_protected(summary, sorted((case / "ct").iterdir()))


def test_08_enhanced_mr_frame_by_frame(data: Path, tmp_path: Path) -> None:
    """Two multi-frame objects, one with its frames out of order: derived, verified, made again."""
    case = data / "dev" / "08_mr_enhanced_multiframe_nema"
    names = ("BRTUM003.dcm", "BRTUM008.dcm")
    lines = [(name, k, 90, 60, 130, 110, "tumour") for name in names for k in (12, 13, 14)]
    boxes = rows(tmp_path / "b.csv", "image,slice,x_min,y_min,x_max,y_max,label", *lines)
    profile = fewer_steps(tmp_path, "brain-mr")
    summary = medaug.run(case, tmp_path / "out", profile=profile, annotations=boxes, accept_identity=STATED)
    assert summary.counts == {"written": 2}
    assert_frames_kept(summary, [case / name for name in names])
    assert any(record.source.frames != tuple(range(24)) for record in summary.records)


def test_16_every_encoding_of_frames_once_they_say_where_they_lie(data: Path, tmp_path: Path) -> None:
    """The case's files hold no functional groups and are refused; with groups added they go all the way."""
    case = data / "dev" / "16_enhanced_mr_compressed"
    profile = fewer_steps(tmp_path, "brain-mr", checks={check: [None, None] for check in OPEN}, domain=["not-padding"])
    bare = medaug.run(
        case, tmp_path / "bare", profile=profile, annotations=rows(tmp_path / "e.csv", "image,label,x,y,w,h")
    )
    assert bare.exit_code == 3
    assert {skip.code for skip in bare.skips} == {"functional-groups", "truncated"}
    sources = [with_groups(path, tmp_path / "in") for path in sorted(case.glob("emri*")) if "short" not in path.name]
    assert len({pydicom.dcmread(path).file_meta.TransferSyntaxUID for path in sources}) == 5
    lines = [(path.name, 4, 20, 20, 34, 36, "lesion") for path in sources]
    boxes = rows(tmp_path / "b.csv", "image,slice,x_min,y_min,x_max,y_max,label", *lines)
    summary = medaug.run(tmp_path / "in", tmp_path / "out", profile=profile, annotations=boxes)
    assert summary.counts == {"written": 5}, [record.message for record in summary.records]
    assert_frames_kept(summary, sources)


def with_groups(path: Path, folder: Path) -> Path:
    """A copy whose frames lie 5 mm apart, in reverse, under UIDs of its own."""
    ds = pydicom.dcmread(path)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = make.uid(path.name)
    ds.SeriesInstanceUID = make.uid(path.name, "series")
    shared = Dataset()
    for keyword, values in (
        ("PlaneOrientationSequence", {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}),
        ("PixelMeasuresSequence", {"PixelSpacing": [2, 2], "SliceThickness": 5}),
        ("MRImageFrameTypeSequence", {"FrameType": ds.ImageType}),
    ):
        setattr(shared, keyword, [item(**values)])
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, -5.0 * n])]) for n in range(int(ds.NumberOfFrames))
    ]
    folder.mkdir(exist_ok=True)
    ds.save_as(folder / path.name, enforce_file_format=True)
    return folder / path.name


def assert_frames_kept(summary: Summary, sources: list[Path]) -> None:
    """Each unit's boxes hold the source's stored numbers, `verify` finds nothing, and one unit comes out again."""
    originals = {str((ds := pydicom.dcmread(path)).SOPInstanceUID): ds for path in sources}
    for record in summary.records:
        derived = pydicom.dcmread(summary.output / record.images[0].path)
        source = originals[record.source.instance_uids[0]].pixel_array[list(record.source.frames)]
        for box in record.boxes:
            np.testing.assert_array_equal(derived.pixel_array[box.slices], source[box.slices])
        assert (derived.pixel_array != source).any()
    verdict = verify(summary.output, source=sources[0].parent)
    assert verdict.faults == ()
    assert verdict.units == len(sources)
    (again,) = replay(summary.output, [summary.records[0].unit], sources[0].parent)
    assert again.same
