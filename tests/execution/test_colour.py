"""Ultrasound in colour: its grey pixels change where the profile says so, its coloured ones stay bit for bit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

import medaug
from medaug.execution.replay import replay
from medaug.verification.faults import Fault
from medaug.verification.verify import verify
from tests.support import dicom_validators as validators
from tests.support.dicom_colour import ENCODINGS, OVERLAY, compressed, is_grey, samples, stored, tinted, ultrasound
from tests.support.dicom_edit import edit
from tests.support.small_runs import SMALL, boxes, small_profile
from tests.support.sound_output import records, redigest, rewrite

KEPT = (
    "SOPClassUID", "PhotometricInterpretation", "SamplesPerPixel", "PlanarConfiguration", "BitsStored", "Columns",
)  # fmt: skip


def ran(tmp_path: Path, **choices: object) -> medaug.execution.summary.Summary:
    profile = small_profile(tmp_path, modalities=["US", "OT"], **choices)
    labels = boxes(tmp_path / "boxes.json", ("x1.dcm",))
    return medaug.run(tmp_path / "in", tmp_path / "out", profile=profile, annotations=labels, seed=5)


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_grey_changes_alike_in_all_samples_and_colour_stays(tmp_path: Path, encoding: str, planar: int) -> None:
    path = ultrasound(tmp_path / "in", encoding, planar)
    summary = ran(tmp_path, colour="grey")
    assert summary.counts["written"] == 1, [r.message for r in summary.records]
    (record,) = summary.records
    out = tmp_path / "out" / record.images[0].path
    before, after = pydicom.dcmread(path), pydicom.dcmread(out)
    assert [after[keyword] for keyword in KEPT] == [before[keyword] for keyword in KEPT]
    assert len(after.PixelData) == len(before.PixelData)
    check_samples(stored(path), stored(out), encoding, record.boxes[0].slices[1:])
    np.testing.assert_array_equal(is_grey(stored(out), encoding), ~OVERLAY)
    again = verify(tmp_path / "out", source=tmp_path / "in")
    assert again.sound, again.faults
    assert all(one.same for one in replay(tmp_path / "out", [record.unit], tmp_path / "in"))
    new = validators.errors(validators.dciodvfy(out))
    assert not new - validators.errors(validators.dciodvfy(path))


def check_samples(
    source: np.ndarray, derived: np.ndarray, encoding: str, box: tuple[slice, ...], least: float = 0.05
) -> None:
    grey = is_grey(source, encoding)
    np.testing.assert_array_equal(derived[~grey], source[~grey])
    np.testing.assert_array_equal(derived[box], source[box])
    np.testing.assert_array_equal(is_grey(derived, encoding), grey)
    if encoding != "RGB":
        np.testing.assert_array_equal(derived[..., 1:], source[..., 1:])
    assert (derived != source)[..., 0].mean() > least


def test_colour_is_refused_unless_the_profile_says_grey(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in", "YBR_FULL_422")
    (skip,) = ran(tmp_path).skips
    assert (skip.code, skip.refused) == ("colour", True)
    assert "colour: grey" in skip.reason


def test_lower_case_is_no_way_around_the_profile(tmp_path: Path) -> None:
    edit(ultrasound(tmp_path / "in"), PhotometricInterpretation="rgb")
    (skip,) = ran(tmp_path).skips
    assert skip.code == "colour"


def test_a_picture_in_colour_is_refused_with_figures(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in", where=np.ones_like(OVERLAY))
    (skip,) = ran(tmp_path, colour="grey").skips
    assert (skip.code, skip.refused) == ("colour", True)
    assert "0 of 12000 pixels are grey" in skip.reason


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_a_tint_is_converted_as_the_record_says(tmp_path: Path, encoding: str, planar: int) -> None:
    film = tinted(encoding)
    assert is_grey(film, encoding).mean() < 0.2
    path = ultrasound(tmp_path / "in", encoding, planar, found=film)
    (record,) = ran(tmp_path, colour="grey").records
    assert (record.status, record.converted) == ("written", "tint"), record.message
    out = tmp_path / "out" / record.images[0].path
    after = pydicom.dcmread(out)
    assert [after[keyword] for keyword in KEPT] == [pydicom.dcmread(path)[keyword] for keyword in KEPT]
    made, box = stored(out), record.boxes[0].slices[1:]
    assert is_grey(made, encoding).all()
    weighed = (film.astype(int) @ (299, 587, 114) + 500) // 1000 if encoding == "RGB" else film[..., 0]
    np.testing.assert_array_equal(made[..., 0][box], weighed[box])
    assert (made[..., 0] != weighed).mean() > 0.05
    assert not faults(tmp_path)
    assert all(one.same for one in replay(tmp_path / "out", [record.unit], tmp_path / "in"))
    assert not validators.errors(validators.dciodvfy(out)) - validators.errors(validators.dciodvfy(path))


def test_a_variant_of_a_tint_that_is_tinted_again_is_found(tmp_path: Path) -> None:
    """What is taken for grey is the source's; a variant is looked at as it is."""
    ultrasound(tmp_path / "in", found=tinted("RGB"))
    (record,) = ran(tmp_path, colour="grey").records
    out = tmp_path / "out" / record.images[0].path

    def tint(ds: Dataset) -> None:
        data = np.frombuffer(ds.PixelData, np.uint8).reshape(-1, 3).astype(int) + np.array([0, 0, 9])
        ds.PixelData = np.clip(data, 0, 255).astype(np.uint8).tobytes()

    edit(out, tint)
    rewrite(tmp_path / "out", record.unit, lambda found: redigest(tmp_path / "out", found))
    assert "protected-changed" in {fault.code for fault in faults(tmp_path)}


def test_a_record_that_hides_a_conversion_is_found(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in", found=tinted("RGB"))
    (record,) = ran(tmp_path, colour="grey").records
    rewrite(tmp_path / "out", record.unit, lambda found: replace(found, converted=""))
    assert "meaning-differs" in {fault.code for fault in faults(tmp_path)}


@pytest.mark.parametrize("kind", ["rle", "jpeg", "jpeg-ls", "jpeg2000"])
def test_compressed_colour_is_written_as_it_is_decoded(tmp_path: Path, kind: str) -> None:
    path = ultrasound(tmp_path / "in")
    found = compressed(path, kind)
    (record,) = ran(tmp_path, colour="grey").records
    assert (record.status, record.converted) == ("written", ""), record.message
    out = tmp_path / "out" / record.images[0].path
    after = pydicom.dcmread(out)
    assert (after.PhotometricInterpretation, after.PlanarConfiguration) == ("RGB", 0)
    assert after.get("LossyImageCompression") == ("01" if kind == "jpeg" else None)
    if kind != "jpeg":
        check_samples(found, stored(out), "RGB", record.boxes[0].slices[1:])
    np.testing.assert_allclose(stored(out)[record.boxes[0].slices[1:]], found[record.boxes[0].slices[1:]], atol=2)
    assert not faults(tmp_path)
    assert all(one.same for one in replay(tmp_path / "out", [record.unit], tmp_path / "in"))
    assert not validators.errors(validators.dciodvfy(out)) - validators.errors(validators.dciodvfy(path))
    edit(out, lambda ds: setattr(ds, "PixelData", bytes(len(ds.PixelData))))
    assert "protected-changed" in {fault.code for fault in faults(tmp_path)}


def test_a_tint_that_was_compressed_is_converted(tmp_path: Path) -> None:
    compressed(ultrasound(tmp_path / "in", found=tinted("RGB")), "jpeg")
    (record,) = ran(tmp_path, colour="grey").records
    assert (record.status, record.converted) == ("written", "tint"), record.message
    assert not faults(tmp_path)


def test_a_tint_is_refused_unless_the_profile_says_grey(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in", found=tinted("YBR_FULL"))
    (skip,) = ran(tmp_path).skips
    assert (skip.code, skip.refused) == ("colour", True)


def test_a_compressed_output_of_colour_is_refused(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in")
    (record,) = ran(tmp_path, colour="grey", output_syntax="rle-lossless").records
    assert (record.status, record.code) == ("failed", "codec")


@pytest.fixture(scope="module", params=["RGB", "YBR_FULL", "YBR_FULL_422"])
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once")
    ultrasound(folder / "in", request.param)
    ran(folder, colour="grey")
    return folder


@pytest.mark.parametrize("free", [True, False], ids=["free", "coloured"])
@pytest.mark.parametrize("covered", [False, True])
def test_one_tampered_sample_is_found(once: Path, tmp_path: Path, free: bool, covered: bool) -> None:
    """Covered: the record, the lists and the seal are made anew, so that the source alone can tell."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    (record,) = records(tmp_path / "out")
    out, encoding = (
        tmp_path / "out" / record.images[0].path,
        pydicom.dcmread(once / "in" / "x1.dcm").PhotometricInterpretation,
    )
    changed = (samples(encoding) != stored(out)).any(axis=2)
    changed[:, 1::2] = False  # two pixels may share a colour, which is told of the first
    row, column = np.argwhere(changed)[changed.sum() // 2] if free else (10, 12)
    assert free == (not OVERLAY[row, column])
    assert not faults(tmp_path)

    def tamper(ds: Dataset) -> None:
        data = bytearray(ds.PixelData)
        pixel = row * ds.Columns + column
        data[2 * pixel + 3 if encoding == "YBR_FULL_422" else 3 * pixel + 2] ^= 1  # blue, or Cr
        ds.PixelData = bytes(data)

    edit(out, tamper)
    if covered:
        rewrite(tmp_path / "out", record.unit, lambda found: redigest(tmp_path / "out", found))
    found = faults(tmp_path)
    told = [fault.message for fault in found if fault.code == "protected-changed"]
    assert any("another colour" in words and f"row {row}, column {column}" in words for words in told)
    assert covered or {"file-changed", "pixels-differ"} <= {fault.code for fault in found}
    assert covered is ({fault.code for fault in found} == {"protected-changed"})


def faults(tmp_path: Path) -> tuple[Fault, ...]:
    return tuple(verify(tmp_path / "out", source=tmp_path / "in").faults)


REAL = {
    "10_us/US-YBR_FULL_422-EVRLE.dcm": "YBR_FULL_422",
    "examples_rgb_color.dcm": "RGB",
    "SC_rgb_jpeg_dcmd.dcm": "RGB",
}
FEW = {
    "ExplVR_BigEnd.dcm": "372 of 4800",
    "SC_ybr_full_422_uncompressed.dcm": "3600 of 10000",
    "SC_rgb_small_odd.dcm": " of 9",
    "SC_rgb_small_odd_big_endian.dcm": " of 9",
    "SC_rgb_rle.dcm": "4000 of 10000",
    "SC_rgb_gdcm_KY.dcm": "4000 of 10000",
    "SC_rgb_jpeg_dcmtk.dcm": "3800 of 10000",
}


def ran_on(name: str, data: Path, tmp_path: Path) -> tuple[Path, medaug.execution.summary.Summary]:
    """A run on a copy of a real file, with one box in its middle."""
    path = data / "dev" / name if "/" in name else Path(pydicom.__file__).parent / "data" / "test_files" / name
    (tmp_path / "in").mkdir()
    shutil.copy(path, tmp_path / "in" / "x1.dcm")
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    label = {"id": 1, "image_id": 1, "category_id": 1}
    box = [ds.Columns // 3, ds.Rows // 3, ds.Columns // 3, ds.Rows // 3]
    coco = {
        "images": [{"id": 1, "file_name": "x1.dcm", "width": ds.Columns, "height": ds.Rows}],
        "annotations": [label | {"bbox": box}],
        "categories": [{"id": 1, "name": "finding"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    profile = small_profile(
        tmp_path, modalities=["US", "OT"], colour="grey", checks=SMALL["checks"] | {"change": [None, None]}
    )
    summary = medaug.run(
        tmp_path / "in",
        tmp_path / "out",
        profile=profile,
        annotations=tmp_path / "boxes.json",
        seed=5,
        accept_identity="a public test file",
    )
    return tmp_path / "in" / "x1.dcm", summary


@pytest.mark.data
@pytest.mark.parametrize(("name", "encoding"), REAL.items())
def test_real_colour(data: Path, tmp_path: Path, name: str, encoding: str) -> None:
    path, summary = ran_on(name, data, tmp_path)
    assert summary.counts == {"written": 1}, ([r.message for r in summary.records], summary.skips)
    (record,) = summary.records
    out = tmp_path / "out" / record.images[0].path
    assert pydicom.dcmread(out).PhotometricInterpretation == encoding
    check_samples(stored(path), stored(out), encoding, record.boxes[0].slices[1:], least=0.0)
    assert not is_grey(stored(path), encoding).all()
    assert not faults(tmp_path)
    assert all(one.same for one in replay(tmp_path / "out", [record.unit], tmp_path / "in"))
    assert not validators.errors(validators.dciodvfy(out)) - validators.errors(validators.dciodvfy(path))


@pytest.mark.data
@pytest.mark.parametrize("name", ["10_us/US1_J2KI.dcm"])
def test_real_compressed_colour(data: Path, tmp_path: Path, name: str) -> None:
    _, summary = ran_on(name, data, tmp_path)
    assert summary.counts == {"written": 1}, ([r.message for r in summary.records], summary.skips)
    (record,) = summary.records
    assert record.converted == ""
    assert pydicom.dcmread(tmp_path / "out" / record.images[0].path).PhotometricInterpretation == "RGB"
    assert not faults(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(("name", "why"), FEW.items())
def test_real_colour_that_is_refused(data: Path, tmp_path: Path, name: str, why: str) -> None:
    _, summary = ran_on(name, data, tmp_path)
    (skip,) = summary.skips
    assert (skip.code, skip.refused) == ("colour", True)
    assert why in skip.reason
