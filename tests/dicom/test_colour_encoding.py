"""Colour pixel data: what is read of it, what is refused, and that it goes back sample by sample."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from medaug.audit.stored_pixels import image_digest
from medaug.dicom.colour_encoding import laid_out
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.write.stored_values import check_change
from medaug.errors import ReadError, WriteError
from medaug.imaging.colour import Colour
from tests.support.dicom_colour import (
    COLUMNS,
    ENCODINGS,
    OVERLAY,
    ROWS,
    compressed,
    is_grey,
    packed,
    samples,
    stored,
    ultrasound,
)
from tests.support.dicom_edit import edit, load


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_all_samples_are_read_and_the_grey_levels_shown(tmp_path: Path, encoding: str, planar: int) -> None:
    path = ultrasound(tmp_path, encoding, planar)
    volume, made = load(tmp_path), samples(encoding)
    assert volume.colour is not None
    np.testing.assert_array_equal(volume.samples[0], made)
    np.testing.assert_array_equal(stored(path), made)
    np.testing.assert_array_equal(volume.colour.coloured[0], OVERLAY)
    np.testing.assert_array_equal(volume.stored[0][~OVERLAY], made[..., 0][~OVERLAY])
    assert (volume.stored.dtype, volume.stored_range) == (np.uint8, (0, 255))
    assert laid_out(pydicom.dcmread(path), made).tobytes() == packed(made, encoding, planar)


def test_grey_is_exact_for_every_level_and_colour_is_shown_by_its_luminance() -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    np.testing.assert_array_equal(Colour(levels, luminance=False).plane, levels[..., 0])
    red = Colour(np.array([[[255, 0, 0]]], np.uint8), luminance=False)
    assert red.plane.item() == 76  # 0.299 · 255
    assert red.coloured.all()


@pytest.mark.parametrize("luminance", [False, True])
def test_only_grey_pixels_take_other_levels(luminance: bool) -> None:
    encoding = "YBR_FULL" if luminance else "RGB"
    colour, other = Colour(samples(encoding), luminance), np.full((ROWS, COLUMNS), 7, np.uint8)
    made = colour.holding(other)
    np.testing.assert_array_equal(made[OVERLAY], samples(encoding)[OVERLAY])
    assert (made[~OVERLAY] == ((7, 128, 128) if luminance else 7)).all()
    np.testing.assert_array_equal(colour.holding(colour.plane), colour.samples)
    assert is_grey(made, encoding)[~OVERLAY].all()


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_a_change_to_a_coloured_pixel_is_refused(tmp_path: Path, encoding: str, planar: int) -> None:
    ultrasound(tmp_path, encoding, planar)
    volume = load(tmp_path)
    changed = np.zeros(volume.stored.shape, np.bool_)
    changed[0, 60, 49] = True
    check_change(volume, changed, volume)
    changed[0, 60, 50] = True
    with pytest.raises(WriteError, match="1 voxels to generate are coloured") as caught:
        check_change(volume, changed, volume)
    assert caught.value.code == "protected-changed"
    with pytest.raises(WriteError, match="protected voxels differ"):
        check_change(replace(volume, stored=volume.stored ^ 1), np.zeros_like(changed), volume)


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_an_image_that_is_mostly_coloured_is_refused_with_figures(tmp_path: Path, encoding: str, planar: int) -> None:
    where = np.zeros_like(OVERLAY)
    where[:60] = True
    ultrasound(tmp_path / "half", encoding, planar, where)
    assert load(tmp_path / "half").colour is not None
    where[60, :2] = True
    ultrasound(tmp_path / "less", encoding, planar, where)
    with pytest.raises(ReadError, match=r"5998 of 12000 pixels are grey \(49\.98%, at least 50% needed\)") as caught:
        load(tmp_path / "less")
    assert caught.value.code == "colour"


@pytest.mark.parametrize(
    ("encoding", "change", "code"),
    [
        ("RGB", {"NumberOfFrames": 2}, "multi-frame"),
        ("RGB", {"PhotometricInterpretation": "PALETTE COLOR", "SamplesPerPixel": 1}, "palette"),
        ("RGB", {"BitsAllocated": 16}, "colour"),
        ("RGB", {"PhotometricInterpretation": "YBR_FULL_422"}, "pixel-length"),
        ("RGB", {"PlanarConfiguration": 2}, "unsupported-encoding"),
        ("YBR_FULL", {"PhotometricInterpretation": "YBR_PARTIAL_422"}, "colour"),
        ("YBR_FULL", {"Rows": 119}, "pixel-length"),
        ("YBR_FULL_422", {"PhotometricInterpretation": "YBR_FULL"}, "truncated"),
        ("YBR_FULL_422", {"PlanarConfiguration": 1}, "unsupported-encoding"),
        ("YBR_FULL_422", {"Rows": 240, "Columns": 50}, ""),
        ("YBR_FULL_422", {"Rows": 160, "Columns": 75}, "unsupported-encoding"),
    ],
)
def test_colour_that_is_not_handled(tmp_path: Path, encoding: str, change: dict[str, object], code: str) -> None:
    edit(ultrasound(tmp_path, encoding), **change)
    found = discover(tmp_path)
    assert [entry.code for entry in found.skipped] == [code] * bool(code)
    assert [series.colour for series in found.series] == [True] * (not code)


def test_compressed_colour_of_another_kind_is_refused_with_what_was_found(tmp_path: Path) -> None:
    edit(ultrasound(tmp_path), lambda ds: ds.compress(RLELossless))
    edit(tmp_path / "x1.dcm", PhotometricInterpretation="YBR_PARTIAL_420")
    (entry,) = discover(tmp_path).skipped
    assert entry.code == "colour"
    assert "found YBR_PARTIAL_420, compressed" in entry.reason


@pytest.mark.parametrize("kind", ["rle", "jpeg", "jpeg-ls", "jpeg2000"])
def test_compressed_colour_is_read_as_red_green_and_blue(tmp_path: Path, kind: str) -> None:
    found = compressed(ultrasound(tmp_path), kind)
    (series,) = discover(tmp_path).series
    (volume,) = read_series(series)
    assert series.colour
    assert volume.colour is not None
    assert not volume.colour.luminance
    np.testing.assert_allclose(volume.colour.samples[0], found, atol=0 if kind != "jpeg" else 2)
    np.testing.assert_array_equal(volume.stored[0], volume.colour.plane[0])
    assert volume.colour.coloured.mean() < 0.2


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
def test_the_digest_is_of_all_samples_as_documented(tmp_path: Path, encoding: str, planar: int) -> None:
    path = ultrasound(tmp_path, encoding, planar)
    expected = hashlib.sha256(b"medaug-pixels-1 u1 1 120 100 3\n" + samples(encoding).tobytes()).hexdigest()
    assert image_digest(path) == expected

    def one_chroma_bit(ds: Dataset) -> None:
        data = bytearray(ds.PixelData)
        data[-1] ^= 1
        ds.PixelData = bytes(data)

    edit(path, one_chroma_bit)
    assert image_digest(path) != expected


@pytest.mark.parametrize(("encoding", "planar"), ENCODINGS)
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_big_endian_words_hold_the_same_samples(tmp_path: Path, encoding: str, planar: int, vr: str) -> None:
    """8-bit samples in words of a big-endian file are swapped in pairs (PS3.5 A.3)."""
    path = ultrasound(tmp_path / "in", encoding, planar)
    ds = pydicom.dcmread(path)
    data = np.frombuffer(ds.PixelData, np.uint8)
    ds["PixelData"] = DataElement(0x7FE00010, vr, (data.reshape(-1, 2)[:, ::-1] if vr == "OW" else data).tobytes())
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_array_equal(load(tmp_path / "in").samples[0], samples(encoding))
