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
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_derived import as_volume, edited, full_of_traps, ring, written
from tests.support.dicom_validators import PRIVATE_CODE, dcentvfy, dciodvfy, errors

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


def mammogram(ds: Dataset) -> None:
    ds.SOPClassUID, ds.Modality = DigitalMammographyXRayImageStorageForPresentation, "MG"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType, ds.ImageLaterality, ds.OrganExposed = "FOR PRESENTATION", "L", "BREAST"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape, ds.BurnedInAnnotation, ds.LossyImageCompression = "IDENTITY", "NO", "00"


def angiogram(ds: Dataset) -> None:
    ds.SOPClassUID, ds.Modality = XRayAngiographicImageStorage, "XA"
    ds.ImageType, ds.PixelIntensityRelationship = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"], "LOG"
    ds.KVP, ds.RadiationSetting, ds.PositionerMotion = 80, "GR", "STATIC"
    ds.PositionerPrimaryAngle, ds.PositionerSecondaryAngle = 0, 0
    ds.Exposure = ds.ExposureTime = ds.XRayTubeCurrent = None
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"


def fluoroscopy(ds: Dataset) -> None:
    angiogram(ds)
    ds.SOPClassUID, ds.Modality = XRayRadiofluoroscopicImageStorage, "RF"


def ultrasound(ds: Dataset) -> None:
    ds.SOPClassUID, ds.Modality, ds.LossyImageCompression = UltrasoundImageStorage, "US", "00"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    del ds.PixelSpacing
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = ds.Columns - 1, ds.Rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.02
    ds.SequenceOfUltrasoundRegions = [region]


def capture(ds: Dataset) -> None:
    ds.SOPClassUID, ds.Modality, ds.ConversionType = SecondaryCaptureImageStorage, "OT", "WSD"


OTHERS: dict[str, Callable[[Dataset], None]] = {
    "MG": mammogram,
    "XA": angiogram,
    "RF": fluoroscopy,
    "US": ultrasound,
    "SC": capture,
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


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("equipment", ["standard", "simulate"])
def test_other_classes_get_no_new_error(kind: str, equipment: str, tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "in", bits=8 if kind in ("US", "SC") else 12)
    edited(path, OTHERS[kind])
    (derived,) = written(as_volume([path]), tmp_path / "out", equipment=equipment)
    known = errors(dciodvfy(path))
    assert known == set() or kind == "MG"  # a whole mammogram is among the real cases
    assert errors(dciodvfy(derived)) - known == set()
    before, after = pydicom.dcmread(path), pydicom.dcmread(derived)
    assert after.SOPClassUID == before.SOPClassUID
    assert list(after.ImageType) == ["DERIVED", "SECONDARY", *before.ImageType[2:]]
    assert after.SyntheticData == "YES"
    assert (after.Manufacturer == "medaug") == (equipment == "standard")


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
