from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless, RLELossless

from medaug.audit.stored_pixels import image_digest
from medaug.formats.nifti import write_nifti
from medaug.imaging.pixels import pixels_digest
from tests.support import make


def test_what_is_hashed_is_documented_and_nothing_else() -> None:
    stored = np.array([[1, 2, 3], [4, 5, 60000]], dtype=np.uint16)
    expected = b"medaug-pixels-1 u2 1 2 3\n" + stored.astype("<u2").tobytes()
    assert pixels_digest(stored) == hashlib.sha256(expected).hexdigest()
    assert pixels_digest(stored) == pixels_digest(stored.astype(">u2")) == pixels_digest(np.asfortranarray(stored))


def test_values_shape_and_kind_of_number_decide() -> None:
    stored = np.zeros((2, 4), dtype=np.int16)
    other = stored.copy()
    other[1, 3] = 1
    digests = [pixels_digest(a) for a in (stored, other, stored.reshape(4, 2), stored.view(np.uint16))]
    assert len(set(digests)) == 4


@pytest.mark.parametrize("syntax", [JPEGLSLossless, RLELossless])
def test_the_digest_outlives_another_header_and_lossless_compression(tmp_path: Path, syntax: str) -> None:
    path = make.radiograph(tmp_path, name="a.dcm", rows=60, columns=50)
    before, raw = image_digest(path), dcmread(path).PixelData
    ds = dcmread(path)
    ds.PatientName, ds.SOPInstanceUID = "Other", make.uid("other")
    ds.compress(syntax)
    ds.save_as(path, enforce_file_format=True)
    assert dcmread(path).PixelData != raw
    assert image_digest(path) == before


def test_one_other_pixel_is_another_digest(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path, name="a.dcm", rows=60, columns=50)
    before, ds = image_digest(path), dcmread(path)
    pixels = ds.pixel_array.copy()
    pixels[30, 20] += 1
    ds.PixelData = pixels.tobytes()
    ds.save_as(path)
    assert image_digest(path) != before


def test_a_nifti_file_has_the_digest_of_its_voxels(tmp_path: Path) -> None:
    volume = make.volume((3, 20, 24), dtype=np.int16)
    volume = replace(volume, rescale=(volume.rescale[0],) * 3)
    for name in ("image.nii.gz", "image.nii"):
        write_nifti(volume, tmp_path / name)
        assert image_digest(tmp_path / name) == pixels_digest(volume.stored)
