"""The whole line on pictures: PNG of 16 bits, JPEG in colour with grey content, TIFF; by folder and from a zip."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from typer.testing import CliRunner

import medaug
from medaug.audit import layout, ledger
from medaug.cli import app
from medaug.execution.replay import replay
from medaug.formats.raster import read_raster
from medaug.verification.verify import verify
from tests.support import dicom_validators as validators
from tests.support import make
from tests.support.dataset_export import export
from tests.support.small_runs import boxes, small_profile
from tests.support.sound_output import rewrite

NAMES = ("deep.png", "photo.jpg", "scan.tif")
CANARY = "mustermann"


def pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    limbs = [make.limb(120, 100, seed=n) for n in range(3)]
    Image.fromarray((limbs[0] * 40_000).astype(np.uint16)).save(folder / NAMES[0])
    Image.fromarray(np.repeat((limbs[1] * 255).astype(np.uint8)[..., None], 3, axis=2)).save(folder / NAMES[1])
    Image.fromarray((limbs[2] * 255).astype(np.uint8)).save(folder / NAMES[2])
    return folder


@pytest.fixture
def profile(tmp_path: Path) -> str:
    return small_profile(tmp_path, modalities=["RASTER"])


def ran(tmp_path: Path, source: Path, profile: str) -> medaug.execution.summary.Summary:
    labels = boxes(tmp_path / "boxes.json", NAMES)
    return medaug.run(source, tmp_path / "out", profile=profile, annotations=labels, seed=5)


def test_pictures_are_derived_verified_and_replayed(tmp_path: Path, profile: str) -> None:
    source = pictures(tmp_path / "in" / CANARY)
    summary = ran(tmp_path, source, profile)
    assert summary.exit_code == 0
    assert summary.counts["written"] == 3
    records = ledger.read(tmp_path / "out" / layout.LEDGER)
    assert sorted(record.images[0].path.rpartition("/")[2] for record in records) == [
        "image.png",
        "image.png",
        "image.tif",
    ]
    verdict = verify(tmp_path / "out", source=source)
    assert verdict.sound
    assert verdict.compared > 0
    assert all(again.same for again in replay(tmp_path / "out", [r.unit for r in records], source))


def test_pictures_become_a_yolo_data_set(tmp_path: Path, profile: str) -> None:
    ran(tmp_path, pictures(tmp_path / "in"), profile)
    exported = export(tmp_path / "out", "--to", "yolo", "-o", tmp_path / "yolo")
    assert exported.exit_code == 0, exported.output
    assert len(list((tmp_path / "yolo").rglob("*.png"))) == 3
    assert "3 variants (2 PNG, 1 TIFF) of" in (tmp_path / "out" / "METHODS.md").read_text()


def test_a_box_holds_the_source_bit_for_bit_and_the_rest_changed(tmp_path: Path, profile: str) -> None:
    source = pictures(tmp_path / "in")
    ran(tmp_path, source, profile)
    items = json.loads((tmp_path / "out" / "monai.json").read_text())["training"]
    sources = {read_raster(source / name).source.key: read_raster(source / name).stored[0] for name in NAMES}
    modes = set()
    for item in items:
        (x0, y0, x1, y1) = item["box"][0]
        with Image.open(tmp_path / "out" / item["image"]) as image:
            modes.add(image.mode)
            pixels = np.asarray(image)
        pixels = pixels if pixels.ndim == 2 else pixels[..., 0]
        original = sources[item["medaug"]["source"]]
        assert np.array_equal(pixels[y0:y1, x0:x1], original[y0:y1, x0:x1])
        assert (pixels != original).any()
    assert modes == {"I;16", "RGB", "L"}


def test_a_changed_protected_pixel_is_found(tmp_path: Path, profile: str) -> None:
    source = pictures(tmp_path / "in")
    ran(tmp_path, source, profile)
    path = next((tmp_path / "out").rglob("image.tif"))
    pixels = read_raster(path).stored[0].copy()
    pixels[60, 50] ^= 1
    Image.fromarray(pixels).save(path)
    codes = {fault.code for fault in verify(tmp_path / "out", source=source).faults}
    assert {"file-changed", "pixels-differ"} <= codes


def test_a_zip_is_read_in_place(tmp_path: Path, profile: str) -> None:
    """The same pixels as from the folder; nothing is unpacked, and verify and replay find the sources inside."""
    folder = pictures(tmp_path / "folder")
    source = tmp_path / "in"
    source.mkdir()
    with zipfile.ZipFile(source / f"{CANARY}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, f"images/{path.name}")
    before = sorted(source.rglob("*"))
    summary = ran(tmp_path, source, profile)
    assert summary.counts["written"] == 3
    assert sorted(source.rglob("*")) == before
    zipped = {record.unit: record.images[0].pixels_sha256 for record in summary.records}
    plain = medaug.run(folder, tmp_path / "plain", profile=profile, annotations=tmp_path / "boxes.json", seed=5)
    assert zipped == {record.unit: record.images[0].pixels_sha256 for record in plain.records}
    assert verify(tmp_path / "out", source=source).sound
    assert all(again.same for again in replay(tmp_path / "out", list(zipped), source))


def test_no_name_of_a_file_gets_out(tmp_path: Path, profile: str) -> None:
    ran(tmp_path, pictures(tmp_path / "in" / CANARY), profile)
    for path in set((tmp_path / "out").rglob("*")) - {tmp_path / "out" / layout.NAMES}:
        assert CANARY not in path.name
        if path.is_file():
            data = path.read_bytes()
            assert not any(word.encode() in data for word in (CANARY, *NAMES))


def test_pictures_as_secondary_captures(tmp_path: Path) -> None:
    """On request; they say that they are synthetic, name no image that isn't there, and hold the same pixels."""
    source = pictures(tmp_path / "in")
    profile = small_profile(tmp_path, modalities=["RASTER"], pictures="secondary-capture")
    summary = ran(tmp_path, source, profile)
    assert summary.counts["written"] == 3
    stored = {name: read_raster(source / name).stored[0] for name in NAMES}
    keys = {read_raster(source / name).source.key: name for name in NAMES}
    for record in summary.records:
        (image,) = record.images
        ds = pydicom.dcmread(tmp_path / "out" / image.path)
        name = keys[record.source.key]
        assert ds.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
        assert (ds.SyntheticData, ds.ImageType[0], ds.ContentQualification) == ("YES", "DERIVED", "RESEARCH")
        assert "SourceImageSequence" not in ds
        assert "BurnedInAnnotation" not in ds
        assert ds.get("LossyImageCompression") == ("01" if name.endswith("jpg") else None)
        assert not f"{ds.PatientName}{ds.PatientID}"
        box = record.boxes[0].slices[1:]
        assert np.array_equal(ds.pixel_array[box], stored[name][box])
        assert sorted(path.name for path in (tmp_path / "out" / record.folder / "evidence").iterdir()) == [
            "boxes.dcm",
            "regions.dcm",
        ]
        assert not validators.errors(validators.dciodvfy(tmp_path / "out" / image.path))
    assert verify(tmp_path / "out", source=source).sound
    assert all(again.same for again in replay(tmp_path / "out", [r.unit for r in summary.records], source))


def test_what_a_variant_is_written_as_does_not_change_its_pixels(tmp_path: Path) -> None:
    source = pictures(tmp_path / "in")
    found = []
    for kind in ("file", "secondary-capture"):
        (tmp_path / kind).mkdir()
        profile = small_profile(tmp_path / kind, modalities=["RASTER"], pictures=kind)
        summary = ran(tmp_path / kind, source, profile)
        found.append({record.unit: record.images[0].pixels_sha256 for record in summary.records})
    assert found[0] == found[1]


@pytest.mark.parametrize("as_json", [False, True])
def test_inspect_counts_the_boxes(tmp_path: Path, as_json: bool) -> None:
    folder = pictures(tmp_path / "in")
    make.radiograph(folder, name="x.dcm", rows=120, columns=100)
    labels = boxes(tmp_path / "boxes.json", (*NAMES[:2], "elsewhere.png"))
    result = CliRunner().invoke(app, ["inspect", str(folder), "-a", str(labels), *(["--json"] if as_json else [])])
    assert result.exit_code == 0
    assert not any(name in result.output for name in NAMES)
    if as_json:
        found = json.loads(result.output)
        counted = {s["object_class"]: s["boxes"] for s in found["series"]}
        assert counted["PNG"] == counted["JPEG"] == {"lesion": 1}
        assert counted["TIFF"] == {}
        assert len(found["series"]) == 4
        assert found["unmatched"]
    else:
        assert result.output.count("boxes: 1 lesion") == 2
        assert result.output.count("boxes: none") == 2
        assert "unmatched: no-image: 1" in result.output
        assert "1 × 120 × 100" in result.output


def test_a_tilted_series_is_refused_as_a_volume_and_run_slice_by_slice(tmp_path: Path) -> None:
    """`--slices`: each slice comes back by itself, in its own place, with its box as in the source."""
    files = make.series(tmp_path / "in", slices=4, tilt_deg=15.0)
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in files]
    labels = tmp_path / "boxes.csv"
    labels.write_text("sop_instance_uid,x_min,y_min,x_max,y_max,label\n" + f"{uids[1]},28,24,38,34,lesion\n")
    profile = small_profile(tmp_path, modalities=["CT"], regions={"kind": "outside", "margin": {"value": 0.02}})
    command = ["run", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "-a", str(labels), "-p", profile]
    whole = CliRunner().invoke(app, command)
    assert whole.exit_code == 3
    assert "gantry tilt: the stack is sheared by 15.0°" in whole.output
    boxes = ["boxes", str(tmp_path / "in"), "-a", str(labels), "-p", profile]
    assert CliRunner().invoke(app, boxes).exit_code == 3
    assert "lesion: slices 0…0, rows 24…33, columns 28…37" in CliRunner().invoke(app, [*boxes, "--slices"]).output
    sliced = CliRunner().invoke(app, [*command, "--slices"])
    assert sliced.exit_code == 0, sliced.output
    (record,) = ledger.read(tmp_path / "out" / layout.LEDGER)
    source, derived = pydicom.dcmread(files[1]), pydicom.dcmread(tmp_path / "out" / record.images[0].path)
    assert derived.ImagePositionPatient == source.ImagePositionPatient
    assert derived.SourceImageSequence[0].ReferencedSOPInstanceUID == uids[1]
    assert np.array_equal(derived.pixel_array[24:34, 28:38], source.pixel_array[24:34, 28:38])
    assert (derived.pixel_array != source.pixel_array).any()
    assert verify(tmp_path / "out", source=tmp_path / "in").sound


def test_a_picture_that_may_name_somebody_is_refused_in_a_picture_s_words(tmp_path: Path, profile: str) -> None:
    source = pictures(tmp_path / "in")
    with Image.open(source / NAMES[1]) as image:
        tags = image.getexif()
        tags[270] = CANARY  # ImageDescription
        image.save(source / NAMES[1], exif=tags)
    planned = medaug.plan(source, profile=profile, annotations=boxes(tmp_path / "boxes.json", NAMES))
    (refused,) = [skip for skip in planned.skips if skip.refused]
    assert refused.code == "identity"
    assert "EXIF" in refused.reason
    assert "0012,0062" not in refused.reason
    make.radiograph(source, name="named.dcm", identity_removed=False)
    profile = small_profile(tmp_path, modalities=["RASTER", "CR"])
    planned = medaug.plan(source, profile=profile, annotations=boxes(tmp_path / "boxes.json", NAMES))
    assert sorted("0012,0062" in skip.reason for skip in planned.skips if skip.code == "identity") == [False, True]


def tinted(folder: Path) -> Path:
    """A JPEG in sepia, and a PNG of grey whose blue is 2 off in one pixel of 500."""
    folder.mkdir(parents=True)
    grey = (make.limb(120, 100, seed=7) * 200).astype(np.uint8)[..., None]
    Image.fromarray(np.concatenate([grey + 40, grey + 20, grey], axis=2)).save(folder / "sepia.jpg", quality=95)
    near = np.repeat(grey, 3, axis=2)
    near.reshape(-1, 3)[::500, 2] += 2
    Image.fromarray(near).save(folder / "near.png")
    return folder


def test_tints_are_converted_on_request_recorded_and_verified(tmp_path: Path) -> None:
    source, names = tinted(tmp_path / "in"), ("sepia.jpg", "near.png")
    labels = boxes(tmp_path / "boxes.json", names)
    choice = small_profile(tmp_path, modalities=["RASTER"])
    refused = medaug.run(source, tmp_path / "refused", profile=choice, annotations=labels, seed=5)
    assert [skip.code for skip in refused.skips] == ["colour"]
    assert "colour: grey" in refused.skips[0].reason
    choice = small_profile(tmp_path, modalities=["RASTER"], colour="grey")
    medaug.run(source, tmp_path / "out", profile=choice, annotations=labels, seed=5)
    records = ledger.read(tmp_path / "out" / layout.LEDGER)
    assert sorted(record.converted for record in records) == ["near-grey", "tint"]
    for record in records:
        (name,) = (name for name in names if read_raster(source / name).source.key == record.source.key)
        with Image.open(tmp_path / "out" / record.images[0].path) as image:
            pixels = np.asarray(image)
        assert (np.ptp(pixels, axis=-1) == 0).all()
        box = record.boxes[0].slices[1:]
        np.testing.assert_array_equal(pixels[..., 0][box], read_raster(source / name).stored[0][box])
    assert verify(tmp_path / "out", source=source).sound
    assert all(again.same for again in replay(tmp_path / "out", [r.unit for r in records], source))
    rewrite(tmp_path / "out", records[0].unit, lambda record: replace(record, converted=""))
    assert "meaning-differs" in {fault.code for fault in verify(tmp_path / "out", source=source).faults}
