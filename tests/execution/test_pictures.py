"""The whole line on pictures: PNG of 16 bits, JPEG in colour with grey content, TIFF; by folder and from a zip."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import medaug
from medaug.audit import ledger
from medaug.audit.verification.verify import verify
from medaug.execution.replay import replay
from medaug.raster import read_raster
from tests import make
from tests.execution.test_run import boxes, small_profile

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


def ran(tmp_path: Path, source: Path, profile: str) -> medaug.execution.execute.Summary:
    labels = boxes(tmp_path / "boxes.json", NAMES)
    return medaug.run(source, tmp_path / "out", profile=profile, annotations=labels, seed=5)


def test_pictures_are_derived_verified_and_replayed(tmp_path: Path, profile: str) -> None:
    source = pictures(tmp_path / "in" / CANARY)
    summary = ran(tmp_path, source, profile)
    assert summary.exit_code == 0
    assert summary.counts["written"] == 3
    records = ledger.read(tmp_path / "out" / ledger.FOLDER)
    assert sorted(record.images[0].path.rpartition("/")[2] for record in records) == [
        "image.png",
        "image.png",
        "image.tif",
    ]
    verdict = verify(tmp_path / "out", source=source)
    assert verdict.sound
    assert verdict.compared > 0
    assert all(again.same for again in replay(tmp_path / "out", [r.unit for r in records], source))


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
    for path in (tmp_path / "out").rglob("*"):
        assert CANARY not in path.name
        if path.is_file():
            data = path.read_bytes()
            assert not any(word.encode() in data for word in (CANARY, *NAMES))
