from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.imaging.volume import Rescale, Window
from tests.support import make
from tests.support.dicom_edit import edit, load, only
from tests.support.rotations import rotation

OBLIQUE = [tuple(np.concatenate([rotation(seed)[:, 0], rotation(seed)[:, 1]])) for seed in range(6)]
FLIPPED = [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), (0, 1, 0, 0, 0, -1), (0, 0, 1, 1, 0, 0)]


def refusal(root: Path, *, slices: bool = False) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read_series(only(root), slices=slices)
    return caught.value


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("modality", ["CR", "DX"])
def test_a_radiograph(tmp_path: Path, photometric: str, modality: str) -> None:
    path = make.radiograph(tmp_path, rows=20, columns=30, photometric=photometric, modality=modality)
    volume = load(tmp_path)
    expected = np.rint(make.limb(20, 30) * 4095)
    expected = 4095 - expected if photometric == "MONOCHROME1" else expected
    np.testing.assert_array_equal(volume.stored[0], expected)  # as stored: never flipped
    assert volume.inverted is (photometric == "MONOCHROME1")
    assert (volume.geometry.space, volume.geometry.spacing) == ("detector", (0.0, 0.2, 0.2))
    assert volume.stored_range == (0, 4095)
    assert volume.window == Window(2047.5, 4095)
    assert volume.source.modality == modality
    assert volume.source.sha256 == (hashlib.sha256(path.read_bytes()).hexdigest(),)
    assert volume.source.files == (path,)
    assert volume.source.part == ""


def test_a_radiograph_without_spacing_lies_in_pixel_space(tmp_path: Path) -> None:
    edit(make.radiograph(tmp_path), PixelSpacing=None, ImagerPixelSpacing=None)
    assert load(tmp_path).geometry.space == "pixel"


@pytest.mark.parametrize("orientation", FLIPPED + OBLIQUE)
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_stack_lies_where_its_headers_say(tmp_path: Path, modality: str, orientation: tuple[float, ...]) -> None:
    shape, spacing = (5, 12, 10), (2.5, 0.7, 0.9)
    files = make.series(
        tmp_path, modality=modality, slices=5, rows=12, columns=10, orientation=orientation, spacing=spacing
    )
    volume = load(tmp_path)
    assert volume.geometry.shape == shape
    assert volume.source.files == files  # sorted along the normal, not by name or InstanceNumber
    numbers = [int(pydicom.dcmread(path).InstanceNumber) for path in files]
    assert numbers != sorted(numbers)
    np.testing.assert_allclose(volume.geometry.spacing, spacing, atol=1e-6)
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    for k, path in enumerate(files):
        ds = pydicom.dcmread(path)
        np.testing.assert_allclose(volume.geometry.to_world((k, 0, 0)), ds.ImagePositionPatient, atol=1e-5)
        far = np.array(ds.ImagePositionPatient) + row * 9 * 0.9 + column * 11 * 0.7  # PS3.3 C.7.6.2.1.1
        np.testing.assert_allclose(volume.geometry.to_world((k, 11, 9)), far, atol=1e-5)
        np.testing.assert_array_equal(volume.stored[k], ds.pixel_array)
    assert np.cross(row, column) @ volume.geometry.affine[:3, 0] == pytest.approx(2.5)


def test_what_a_ct_states(tmp_path: Path) -> None:
    make.series(tmp_path, padding=-2000)
    volume = load(tmp_path)
    assert volume.rescale == (Rescale(1, -1024, "HU"),) * 6
    assert volume.padding == (-2000, -2000)
    assert volume.padded.any()
    assert not volume.padded.all()
    assert volume.stored_range == (-32768, 32767)
    assert volume.geometry.frame_of_reference_uid == make.uid("series", "CT", 0, "frame")
    assert volume.source.identity == "declared"
    assert len(set(volume.source.instance_uids)) == 6


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(1, 0), (1, -1024), (0.1, 0), (1 / 3, -7.77), (2.19682, 0), (-1.7, 41.3), (1e-3, 0)]
)
def test_stored_to_modality_and_back_is_the_identity(
    tmp_path: Path, signed: bool, slope: float, intercept: float
) -> None:
    values = np.arange(2**16, dtype=np.uint16)

    def full_range(ds: Dataset) -> None:
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, int(signed)
        ds.PixelData = values.tobytes()
        ds.RescaleSlope, ds.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"

    for n, path in enumerate(make.series(tmp_path, slices=2, rows=256, columns=256)):
        edit(path, full_range)
        if n:
            edit(path, RescaleSlope="3.25", RescaleIntercept="-11")  # each slice has its own
    volume = load(tmp_path)
    assert volume.rescale[0] != volume.rescale[1]
    assert len(np.unique(volume.stored)) == 2**16
    back = volume.with_modality(volume.modality, np.ones(volume.stored.shape, bool))
    np.testing.assert_array_equal(back.stored, volume.stored)
    with np.errstate(over="ignore"):
        half = volume.modality.astype(np.float16)
    coarse = volume.with_modality(half, np.ones(volume.stored.shape, bool))
    assert (coarse.stored != volume.stored).any()


def test_the_window_is_the_middle_slice_s(tmp_path: Path) -> None:
    for n, path in enumerate(make.series(tmp_path, slices=5)):
        edit(path, WindowCenter=100 * n, WindowWidth=50, VOILUTFunction="LINEAR_EXACT")
    assert load(tmp_path).window == Window(200, 50)


@pytest.mark.parametrize(
    ("built", "code", "words"),
    [
        ({"gap_at": 3}, "missing-slice", "slice 4 is missing (gap 6.0 mm, spacing 3.0 mm); re-export the series"),
        ({"tilt_deg": 18.5}, "gantry-tilt", "sheared by 18.5° (stated: 18.5°"),
    ],
)
def test_built_defects(tmp_path: Path, built: dict[str, float], code: str, words: str) -> None:
    make.series(tmp_path, **built)
    error = refusal(tmp_path)
    assert error.code == code
    assert str(error).startswith(f"series {make.uid('series', 'CT', 0, 'series')} (CT): ")
    assert words in str(error)
    assert len(read_series(only(tmp_path), slices=True)) == 6


def move(by: float) -> Callable[[Dataset], None]:
    def apply(ds: Dataset) -> None:
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y, z + by]

    return apply


@pytest.mark.parametrize(("by", "code"), [(1.0, "uneven-spacing"), (3.0, "duplicate-position")])
def test_a_moved_slice(tmp_path: Path, by: float, code: str) -> None:
    edit(make.series(tmp_path)[2], move(by))
    assert refusal(tmp_path).code == code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"ImagePositionPatient": None}, "missing-attribute"),
        ({"ImageOrientationPatient": None}, "missing-attribute"),
        ({"PixelSpacing": None}, "missing-attribute"),
        ({"PixelSpacing": [0, 0.8]}, "bad-value"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "orientation"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]}, "orientation"),
        ({"RescaleSlope": 0}, "bad-value"),
    ],
)
def test_attributes_that_a_stack_needs(tmp_path: Path, values: dict[str, object], code: str) -> None:
    for path in make.series(tmp_path, slices=3):
        edit(path, **values)
    error = refusal(tmp_path)
    assert error.code == code
    assert "file 1 of 3" in str(error)
    assert refusal(tmp_path, slices=True).code == code


@pytest.mark.parametrize("value", [["nan", 0, 0], [0, 0], ["a", 0, 0]])
def test_positions_that_are_no_numbers(tmp_path: Path, value: list[object]) -> None:
    files = make.series(tmp_path, slices=3)
    edit(files[0], lambda ds: ds.add_new("ImagePositionPatient", "LO", [str(x) for x in value]))
    (entry,) = discover(tmp_path).skipped
    assert entry.code == "bad-value"


def test_a_modality_lut_that_is_not_monotone_is_refused(tmp_path: Path) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [3, 0, 16])
    item.add_new("LUTData", "US", [0, 9, 3])
    item.ModalityLUTType = "OD"
    edit(make.radiograph(tmp_path), ModalityLUTSequence=[item])
    assert refusal(tmp_path).code == "modality-lut"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"RescaleType": "US"}, "mixed-series"),
        ({"PixelRepresentation": 0}, "mixed-series"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "mixed-series"),
        ({"StudyInstanceUID": "1.2.3"}, "mixed-series"),
        ({"PatientID": "another"}, "mixed-series"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "mixed-orientation"),
        ({"FrameOfReferenceUID": "1.2.3"}, "mixed-frame-of-reference"),
    ],
)
def test_slices_that_don_t_belong_together(tmp_path: Path, values: dict[str, object], code: str) -> None:
    series = make.series(tmp_path, slices=4)
    listed = only(tmp_path)
    edit(series[1], **values)
    with pytest.raises(ReadError) as caught:
        read_series(listed)
    assert caught.value.code == code


def test_slices_that_differ_in_padding(tmp_path: Path) -> None:
    edit(make.series(tmp_path)[1], lambda ds: ds.add_new("PixelPaddingValue", "SS", -2000))
    assert "differ from the first in padding" in str(refusal(tmp_path))


def test_a_uid_listed_twice(tmp_path: Path) -> None:
    files = make.series(tmp_path, slices=4)
    listed = only(tmp_path)
    copy = edit(Path(shutil.copy(files[3], tmp_path / "copy")), move(3))
    with pytest.raises(ReadError) as caught:
        read_series(replace(listed, images=(*listed.images, (copy, 0))))
    assert caught.value.code == "uid-conflict"


def test_slices_are_volumes_of_their_own(tmp_path: Path) -> None:
    files = make.series(tmp_path, slices=4, tilt_deg=12, spacing=(3.0, 0.8, 0.6))
    volumes = read_series(only(tmp_path), slices=True)
    assert [v.source.files for v in volumes] == [(path,) for path in files]
    assert [v.source.part for v in volumes] == ["slice 1", "slice 2", "slice 3", "slice 4"]
    assert len({v.source.key for v in volumes}) == 4
    for volume, path in zip(volumes, files, strict=True):
        ds = pydicom.dcmread(path)
        assert volume.geometry.shape == (1, 64, 64)
        assert volume.geometry.space == "patient"
        np.testing.assert_allclose(volume.geometry.spacing, (3.0, 0.8, 0.6))
        np.testing.assert_allclose(volume.geometry.to_world((0, 0, 0)), ds.ImagePositionPatient)
        np.testing.assert_array_equal(volume.stored[0], ds.pixel_array)


def test_one_slice_is_a_volume(tmp_path: Path) -> None:
    edit(make.series(tmp_path, slices=1)[0], SliceThickness=None)
    volume = load(tmp_path)
    assert volume.geometry.space == "patient"
    assert volume.geometry.spacing == pytest.approx((1.0, 0.8, 0.8))  # nothing states a thickness


def test_a_radiograph_is_the_same_slice_by_slice(tmp_path: Path) -> None:
    make.radiograph(tmp_path)
    one, other = read_series(only(tmp_path)), read_series(only(tmp_path), slices=True)
    assert one[0].source == other[0].source


def test_a_file_that_changed_since_discovery(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path / "Canary^Name")
    listed = only(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ReadError, match="file 1 of 1") as caught:
        read_series(listed)
    assert caught.value.code == "truncated"
    path.unlink()
    with pytest.raises(ReadError) as caught:
        read_series(listed)
    assert caught.value.code == "unreadable"
    assert "Canary" not in str(caught.value)


def test_patients_are_told_apart(tmp_path: Path) -> None:
    make.radiograph(tmp_path, name="a.dcm", seed=0)
    make.radiograph(tmp_path, name="b.dcm", seed=0)
    make.radiograph(tmp_path, name="c.dcm", seed=1)
    patients = [read_series(series)[0].source.patient for series in discover(tmp_path).series]
    assert len(set(patients)) == 2


def test_input_is_left_alone(tmp_path: Path) -> None:
    make.series(tmp_path)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
    load(tmp_path)
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in tmp_path.iterdir()}
