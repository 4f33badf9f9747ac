"""Ultrasound in RGB with grey content: taken as grey where the profile says so, and given back in three channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundImageStorage

import medaug
from medaug.audit.verification.verify import verify
from medaug.execution.replay import replay
from tests import make
from tests.dicom import validators
from tests.dicom.edit import edit
from tests.execution.test_run import boxes, small_profile


def ultrasound(folder: Path, *, planar: int = 0, tint: int = 0) -> Path:
    path = make.radiograph(folder, name="x1.dcm", rows=120, columns=100, seed=1)

    def coloured(ds: Dataset) -> None:
        grey = (ds.pixel_array / 16).astype(np.uint8)
        channels = np.stack([grey] * 3, axis=-1)
        channels[60, 50, 1] += np.uint8(tint)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
        ds.Modality, ds.SamplesPerPixel, ds.PhotometricInterpretation = "US", 3, "RGB"
        ds.PlanarConfiguration, ds.BitsAllocated, ds.BitsStored, ds.HighBit = planar, 8, 8, 7
        ds.PixelData = (np.moveaxis(channels, -1, 0) if planar else channels).tobytes()
        for keyword in ("WindowCenter", "WindowWidth", "PixelPaddingValue"):
            if keyword in ds:
                delattr(ds, keyword)

    edit(path, coloured)
    return path


def ran(tmp_path: Path, **choices: object) -> medaug.execution.execute.Summary:
    profile = small_profile(tmp_path, modalities=["US"], **choices)
    labels = boxes(tmp_path / "boxes.json", ("x1.dcm",))
    return medaug.run(tmp_path / "in", tmp_path / "out", profile=profile, annotations=labels, seed=5)


@pytest.mark.parametrize("planar", [0, 1])
def test_the_change_is_equal_in_all_channels_and_the_rest_is_untouched(tmp_path: Path, planar: int) -> None:
    path = ultrasound(tmp_path / "in", planar=planar)
    summary = ran(tmp_path, colour="grey")
    assert summary.counts["written"] == 1, [r.message for r in summary.records]
    (record,) = summary.records
    before, after = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out" / record.images[0].path)
    for keyword in ("SOPClassUID", "PhotometricInterpretation", "SamplesPerPixel", "PlanarConfiguration", "BitsStored"):
        assert after[keyword] == before[keyword]
    source, derived = before.pixel_array, after.pixel_array
    assert (derived[..., 0] == derived[..., 1]).all()
    assert (derived[..., 0] == derived[..., 2]).all()
    assert (derived != source).any()
    box = record.boxes[0].slices[1:]
    assert np.array_equal(derived[box], source[box])
    assert verify(tmp_path / "out", source=tmp_path / "in").sound
    assert all(again.same for again in replay(tmp_path / "out", [record.unit], tmp_path / "in"))
    new = validators.errors(validators.dciodvfy(tmp_path / "out" / record.images[0].path))
    assert not new - validators.errors(validators.dciodvfy(path))


def test_colour_is_refused_unless_the_profile_says_grey(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in")
    (skip,) = ran(tmp_path).skips
    assert (skip.code, skip.refused) == ("colour", True)
    assert "colour: grey" in skip.reason


def test_one_pixel_of_colour_is_refused(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in", tint=1)
    (skip,) = ran(tmp_path, colour="grey").skips
    assert skip.code == "colour"
    assert "0.01%" in skip.reason


def test_a_channel_that_was_changed_afterwards_is_found(tmp_path: Path) -> None:
    ultrasound(tmp_path / "in")
    (record,) = ran(tmp_path, colour="grey").records
    path = tmp_path / "out" / record.images[0].path
    ds = pydicom.dcmread(path)
    pixels = ds.pixel_array.copy()
    pixels[60, 50, 2] ^= 1
    ds.PixelData = pixels.tobytes()
    ds.save_as(path)
    assert {"unreadable", "file-changed"} <= {f.code for f in verify(tmp_path / "out", source=tmp_path / "in").faults}
