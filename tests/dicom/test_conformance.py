"""Derived files under two validators that were not written by us: dciodvfy (one file) and dcentvfy (a study).

Both print to stderr and their exit codes lie, so the gate is the set of Error lines that the source doesn't have.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.discover import discover
from medaug.dicom.read import read_series
from medaug.imaging.volume import Volume
from tests import make
from tests.dicom.derived import as_volume, edited, full_of_traps, ring, written
from tests.dicom.validators import PRIVATE_CODE, dcentvfy, dciodvfy, errors

REAL = {
    "03 CT": "03_ct_liver_seg_dcmqi/ct/*.dcm",
    "04 CT head, one slice": "04_ct_head_tilt_ge/ct/09.dcm",
    "05 CR JPEG Lossless": "05_cr_extremity_nema/RG3_JPLL.dcm",
    "05 CR JPEG 2000": "05_cr_extremity_nema/RG3_J2KR.dcm",
    "06 SC JPEG 2000 lossy": "06_mg_nema/MG1_J2KI.dcm",
    "07 MR": "07_mr_t1_studyforrest/mr/N2D_018*.dcm",
    "15 DX": "15_tiny_seg_sr_highdicom/dx_image.dcm",
    "15 CT": "15_tiny_seg_sr_highdicom/ct_image.dcm",
}
BUILT: dict[str, Callable[[Path], tuple[Path, ...]]] = {
    "CR": lambda folder: (make.radiograph(folder, bits=10),),
    "DX MONOCHROME1 12 bit": lambda folder: (make.radiograph(folder, modality="DX", photometric="MONOCHROME1"),),
    "CT signed, padding": lambda folder: make.series(folder, slices=3, padding=-2000),
    "MR oblique": lambda folder: make.series(folder, slices=3, modality="MR", orientation=(0, 1, 0, 0, 0, -1)),
    "CR, every trap": lambda folder: (edited(make.radiograph(folder), full_of_traps),),
}


def check(source: Volume, folder: Path) -> None:
    """Derive from ``source`` and hold both validators' findings against those for the source's files."""
    files = source.source.files
    derived = written(source, folder)
    for before, after in zip(files, derived, strict=True):
        found, known = dciodvfy(after), dciodvfy(before)
        assert errors(found) - errors(known) == set()
        new = [line for line in found if line.startswith("Warning") and line not in known]
        assert len([line for line in new if PRIVATE_CODE.match(line)]) == 1
        assert [line for line in new if not PRIVATE_CODE.match(line)] == []
    assert errors(dcentvfy(*files, *derived)) - errors(dcentvfy(*files)) == set()


@pytest.mark.parametrize("case", BUILT)
def test_built_sources_get_no_new_finding(case: str, tmp_path: Path) -> None:
    check(as_volume(BUILT[case](tmp_path / "in")), tmp_path / "out")


@pytest.mark.parametrize("case", ["CR", "DX MONOCHROME1 12 bit", "CT signed, padding", "MR oblique"])
def test_built_studies_are_silent(case: str, tmp_path: Path) -> None:
    files = BUILT[case](tmp_path / "in")
    derived = written(as_volume(files), tmp_path / "out")
    assert dcentvfy(*files, *derived) == []
    for path in derived:
        assert errors(dciodvfy(path)) == set()


@pytest.mark.parametrize("options", [{"equipment": "simulate"}, {"keep_private": True}])
def test_options_get_no_new_finding(options: dict[str, object], tmp_path: Path) -> None:
    (path,) = BUILT["CR, every trap"](tmp_path / "in")
    (derived,) = written(as_volume([path]), tmp_path / "out", **options)
    assert errors(dciodvfy(derived)) - errors(dciodvfy(path)) == set()


def test_carried_over_slices_get_no_new_finding(tmp_path: Path) -> None:
    files = BUILT["CT signed, padding"](tmp_path / "in")
    source = as_volume(files)
    derived = written(source, tmp_path / "out", ring(source, slice(1, 2)))
    for path in derived:
        assert errors(dciodvfy(path)) == set()
    assert dcentvfy(*files, *derived) == []


def spoil_type_1(ds: Dataset) -> None:
    del ds.ImageType


def spoil_term(ds: Dataset) -> None:
    ds.ContentQualification = "PERHAPS"


@pytest.mark.parametrize("spoil", [spoil_type_1, spoil_term])
def test_the_gate_sees_an_invalid_file(tmp_path: Path, spoil: Callable[[Dataset], None]) -> None:
    (path,) = BUILT["DX MONOCHROME1 12 bit"](tmp_path / "in")
    (derived,) = written(as_volume([path]), tmp_path / "out")
    assert errors(dciodvfy(edited(derived, spoil))) - errors(dciodvfy(path)) != set()


def test_the_gate_sees_a_study_that_contradicts_itself(tmp_path: Path) -> None:
    (path,) = BUILT["CR"](tmp_path / "in")
    (derived,) = written(as_volume([path]), tmp_path / "out")
    edited(derived, lambda ds: setattr(ds, "PatientID", "another"))
    assert errors(dcentvfy(path, derived)) != set()


def pad(ds: Dataset) -> None:
    """Make an odd number of bytes even: one real case isn't, and the validators stop there."""
    ds.PixelData += b"\0" * (len(ds.PixelData) % 2)


@pytest.mark.data
@pytest.mark.parametrize("case", REAL)
def test_real_sources_get_no_new_finding(case: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for path in sorted((data / "dev").glob(REAL[case])):
        copy = shutil.copy(path, tmp_path / "in")
        if len(pydicom.dcmread(copy).PixelData) % 2:
            edited(copy, pad)
    (series,) = discover(tmp_path / "in").series
    (source,) = read_series(series, slices=len(series.files) == 1)
    check(source, tmp_path / "out")
    for k, path in enumerate(sorted((tmp_path / "out").iterdir())):
        kept = ~ring(source)[k]
        np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array[kept], source.stored[k][kept])
