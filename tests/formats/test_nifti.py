"""NIfTI in and out. nibabel and SimpleITK are the independent readers."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from medaug.errors import ReadError, WriteError
from medaug.formats.nifti import FIELDS, nifti_labels, read_nifti, write_nifti
from medaug.formats.nifti_affine import RAS_TO_LPS
from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.volume import Rescale, Volume
from medaug.version import __version__
from tests.support import make

SHAPE = (5, 7, 9)
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def rotation(seed: int) -> np.ndarray:
    """A random rotation, or one with a mirror for odd seeds."""
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    matrix *= np.sign(np.linalg.det(matrix))
    return matrix * [1, 1, -1 if seed % 2 else 1]


def affine_of(seed: int, spacing: tuple[float, float, float] = (3.3, 0.7, 0.9)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = rotation(seed) * spacing
    affine[:3, 3] = np.random.default_rng(seed + 1).uniform(-300, 300, 3)
    return affine


def stored_of(dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    numbers = np.random.default_rng(3)
    if kind.kind == "f":
        return numbers.normal(0, 500, SHAPE).astype(kind)
    info = np.iinfo(kind)
    values = numbers.integers(info.min, info.max, SHAPE, dtype=kind, endpoint=True)
    values.flat[:2] = info.min, info.max
    return values


def volume_of(stored: np.ndarray, affine: np.ndarray, rescale: Rescale | None = None) -> Volume:
    info = np.iinfo(stored.dtype) if stored.dtype.kind in "iu" else np.finfo(stored.dtype)
    return replace(
        make.volume(stored.shape),
        stored=stored,
        geometry=Geometry(stored.shape, affine, "patient"),
        rescale=(rescale or Rescale(),) * stored.shape[0],
        stored_range=(float(info.min), float(info.max)),
    )


def written_by_nibabel(
    folder: Path, stored: np.ndarray, affine: np.ndarray, name: str = "a.nii", **fields: Any
) -> Path:
    """``stored`` is (k, i, j) and ``affine`` maps it to LPS; nibabel wants (x, y, z) and RAS."""
    image = nib.Nifti1Image(stored.transpose(2, 1, 0), (LPS_FROM_RAS @ affine)[:, [2, 1, 0, 3]], dtype=stored.dtype)
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 1)
    image.header.set_xyzt_units("mm")
    for field, value in fields.items():
        image.header[field] = value
    nib.save(image, folder / name)
    return folder / name


def patched(path: Path, **fields: Any) -> Path:
    """Overwrite header fields by their place in nifti1.h."""
    data = bytearray(path.read_bytes())
    for name, value in fields.items():
        kind, offset = FIELDS[name]
        raw = value if isinstance(value, bytes) else np.array(value, dtype=kind if kind[1] != "(" else "<f4").tobytes()
        data[offset : offset + len(raw)] = raw
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_reads_the_grid_and_numbers_that_nibabel_wrote(tmp_path: Path, seed: int, name: str) -> None:
    stored, affine = stored_of("i2"), affine_of(seed)
    volume = read_nifti(written_by_nibabel(tmp_path, stored, affine, name))
    assert volume.stored.dtype == np.int16
    np.testing.assert_array_equal(volume.stored, stored)
    np.testing.assert_allclose(volume.geometry.affine, affine, atol=1e-4)
    assert volume.geometry.space == "patient"


@pytest.mark.parametrize("seed", range(6))
def test_nibabel_reads_the_grid_and_numbers_that_were_written(tmp_path: Path, seed: int) -> None:
    stored, affine = stored_of("i2"), affine_of(seed)
    write_nifti(volume_of(stored, affine), tmp_path / "a.nii.gz")
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), stored)
    for found in (image.get_sform(), image.get_qform()):
        np.testing.assert_allclose((LPS_FROM_RAS @ found)[:, [2, 1, 0, 3]], affine, atol=2e-3)


def test_left_and_right_are_kept(tmp_path: Path) -> None:
    """The voxel on the patient's left (larger x in LPS) lies at smaller x in NIfTI's RAS."""
    stored = np.zeros(SHAPE, dtype=np.int16)
    stored[0, 0, 8] = 7
    affine = np.array([[0, 0, 2, 10], [0, 1, 0, 20], [3, 0, 0, 30], [0, 0, 0, 1]], dtype=float)
    write_nifti(volume_of(stored, affine), tmp_path / "a.nii")
    image = nib.load(tmp_path / "a.nii")
    x, y, z = np.argwhere(np.asarray(image.dataobj) == 7)[0]
    np.testing.assert_allclose(image.affine @ (x, y, z, 1), (-(10 + 8 * 2), -20, 30, 1))
    wrong = image.affine @ (x, y, z, 1)
    assert not np.allclose(wrong[:2], (10 + 8 * 2, 20))  # what a forgotten RAS ↔ LPS would give


@pytest.mark.parametrize("seed", range(4))
def test_simpleitk_agrees(tmp_path: Path, seed: int) -> None:
    import SimpleITK

    volume = volume_of(stored_of("i2"), affine_of(seed))
    write_nifti(volume, tmp_path / "a.nii.gz")
    image = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.stored)
    found = image.TransformIndexToPhysicalPoint((8, 6, 4))
    np.testing.assert_allclose(found, volume.geometry.to_world((4, 6, 8)), atol=2e-3)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_numbers_survive_a_round_trip(tmp_path: Path, dtype: str) -> None:
    first = read_nifti(written_by_nibabel(tmp_path, stored_of(dtype), affine_of(1)))
    write_nifti(first, tmp_path / "b.nii.gz")
    second = read_nifti(tmp_path / "b.nii.gz")
    assert second.stored.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(second.stored, stored_of(dtype))
    np.testing.assert_array_equal(second.geometry.affine, first.geometry.affine)
    assert second.stored_range == first.stored_range


@pytest.mark.parametrize(("slope", "inter"), [(0.5, -1024.0), (1.0, -1024.0), (np.float32(0.1), 3.0), (-2.0, 0.0)])
def test_a_slope_is_kept_as_rescale_and_every_stored_number_comes_back(
    tmp_path: Path, slope: float, inter: float
) -> None:
    stored = stored_of("i2")
    path = patched(written_by_nibabel(tmp_path, stored, affine_of(2)), scl_slope=slope, scl_inter=inter)
    volume = read_nifti(path)
    assert volume.rescale[0] == Rescale(float(np.float32(slope)), float(inter))
    np.testing.assert_array_equal(volume.stored, stored)
    np.testing.assert_allclose(volume.modality.transpose(2, 1, 0), nib.load(path).get_fdata(), rtol=1e-6, atol=1e-2)
    back = volume.with_modality(volume.modality.astype(np.float64), np.ones(SHAPE, dtype=bool))
    np.testing.assert_array_equal(back.stored, stored)
    write_nifti(volume, tmp_path / "b.nii")
    again = read_nifti(tmp_path / "b.nii")
    assert again.rescale == volume.rescale
    np.testing.assert_array_equal(again.stored, stored)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_slope_zero_or_nan_means_no_scaling(tmp_path: Path, slope: float) -> None:
    path = patched(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(2)), scl_slope=slope, scl_inter=5.0)
    assert read_nifti(path).rescale[0] == Rescale()


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    stored, affine = stored_of("i2"), affine_of(4)
    image = nib.Nifti1Image(stored.transpose(2, 1, 0), (LPS_FROM_RAS @ affine)[:, [2, 1, 0, 3]])
    swapped = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, header=image.header.as_byteswapped(">"))
    nib.save(swapped, tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == struct.pack(">i", 348)
    volume = read_nifti(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.stored, stored)
    np.testing.assert_allclose(volume.geometry.affine, affine, atol=1e-4)


def test_the_qform_is_used_where_there_is_no_sform(tmp_path: Path) -> None:
    affine = affine_of(5)
    path = patched(written_by_nibabel(tmp_path, stored_of("i2"), affine), sform_code=0)
    np.testing.assert_allclose(read_nifti(path).geometry.affine, affine, atol=2e-3)


@pytest.mark.parametrize("axis", range(3))
def test_half_turns_are_written_and_read(tmp_path: Path, axis: int) -> None:
    """The float32 quaternion of a half-turn is at its least precise: sform and qform differ by rounding alone."""
    turn = -np.eye(3)
    turn[axis, axis] = 1
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 0.5, 0.5])
    affine[:3, 3] = 123.4, -56.7, 89.1
    volume = volume_of(np.zeros((4, 512, 512), dtype=np.uint8), affine)
    write_nifti(volume, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii.gz").geometry.affine, affine, atol=1e-4)


def test_the_same_volume_gives_the_same_bytes_marked_as_synthetic(tmp_path: Path) -> None:
    source = written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), descrip=b"Jane Doe", aux_file=b"jane")
    volume = read_nifti(source)
    write_nifti(volume, tmp_path / "b.nii.gz")
    write_nifti(volume, tmp_path / "c.nii.gz")
    assert (tmp_path / "b.nii.gz").read_bytes() == (tmp_path / "c.nii.gz").read_bytes()
    header = nib.load(tmp_path / "b.nii.gz").header
    assert header["descrip"].item() == f"SYNTHETIC medaug {__version__}".encode()
    assert b"ane" not in gzip.decompress((tmp_path / "b.nii.gz").read_bytes())[:352]
    assert not list(tmp_path.glob(".*"))


def test_identity_is_unknown_where_a_header_could_hold_a_name(tmp_path: Path) -> None:
    def identity(**fields: bytes) -> str:
        return read_nifti(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), **fields)).source.identity

    assert identity() == "declared"
    for field in ("descrip", "aux_file", "db_name", "intent_name", "data_type"):
        assert identity(**{field: b"Doe"}) == "unknown", field
    image = nib.load(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1)))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    nib.save(image, tmp_path / "b.nii")
    assert read_nifti(tmp_path / "b.nii").source.identity == "unknown"


def test_names_come_from_the_content_not_from_the_file(tmp_path: Path) -> None:
    plain = read_nifti(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), "a.nii")).source
    packed = read_nifti(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), "b.nii.gz")).source
    other = read_nifti(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(2), "c.nii")).source
    assert plain.series_uid == packed.series_uid != other.series_uid
    assert plain.series_uid.startswith("nifti-")
    assert len(plain.series_uid) == 38
    assert len(set(plain.instance_uids)) == SHAPE[0] == len(plain.files) == len(plain.sha256)
    assert plain.key != packed.key  # the key names the bytes of the file


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dim": (4, 9, 7, 5, 2, 1, 1, 1)}, "nifti-dimensions"),
        ({"dim": (2, 9, 7, 5, 1, 1, 1, 1)}, "nifti-dimensions"),
        ({"dim": (3, 9, -7, 5, 1, 1, 1, 1)}, "nifti-dimensions"),
        ({"dim": (3, 9, 0, 5, 1, 1, 1, 1)}, "nifti-dimensions"),
        ({"dim": (3, 9, 7, 6, 1, 1, 1, 1)}, "nifti-truncated"),
        ({"dim": (3, 30000, 30000, 30000, 1, 1, 1, 1)}, "nifti-too-large"),
        ({"dim": (3, 2000, 1000, 10, 1, 1, 1, 1)}, "nifti-truncated"),
        ({"pixdim": (1, 0, 1, 1, 0, 0, 0, 0)}, "nifti-spacing"),
        ({"pixdim": (1, np.nan, 1, 1, 0, 0, 0, 0)}, "nifti-spacing"),
        ({"pixdim": (1, -1, 1, 1, 0, 0, 0, 0)}, "nifti-spacing"),
        ({"datatype": 128, "bitpix": 24}, "nifti-type"),
        ({"datatype": 32, "bitpix": 64}, "nifti-type"),
        ({"bitpix": 8}, "nifti-type"),
        ({"vox_offset": 0.0}, "nifti-header"),
        ({"vox_offset": 1e12}, "nifti-header"),
        ({"scl_slope": np.inf}, "nifti-header"),
        ({"magic": b"ni1\0"}, "nifti-header"),
        ({"sizeof_hdr": 540}, "nifti-header"),
        ({"xyzt_units": 1}, "nifti-affine"),
        ({"sform_code": 0, "qform_code": 0}, "nifti-affine"),
        ({"srow": ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 0))}, "nifti-affine"),
        ({"srow": ((1, 0, 0.2, 0), (0, 1, 0, 0), (0, 0, 1, 0))}, "nifti-affine"),
        ({"srow": ((np.nan, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))}, "nifti-affine"),
        ({"quatern": (1.0, 1.0, 0.0)}, "nifti-affine"),
        ({"qoffset": (0.0, 0.0, 0.0)}, "nifti-affine"),
    ],
)
def test_what_is_not_safe_to_read_is_refused(tmp_path: Path, fields: dict[str, Any], code: str) -> None:
    path = written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), "jane-doe.nii")
    read_nifti(path)
    with pytest.raises(ReadError) as caught:
        read_nifti(patched(path, **fields))
    assert caught.value.code == code
    assert "jane" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"\x1f\x8b\x08junkjunkjunk", b"NRRD0004\n", bytes(400)])
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(ReadError):
        read_nifti(tmp_path / "a.nii.gz")


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    path = written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1), "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ReadError):
        read_nifti(path)


def test_a_gzip_bomb_is_not_inflated_beyond_its_header(tmp_path: Path) -> None:
    """16 MiB of zeros behind a small image: nobody inflates them, and where voxels end isn't certain any more."""
    plain = written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1)).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain + bytes(16 << 20), 9))
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="left over after the voxels") as caught:
            read_nifti(tmp_path / "b.nii.gz")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code == "nifti-header"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("change", ["offset", "dims", "short"])
def test_a_length_that_does_not_fit_is_refused_before_a_voxel_is_used(tmp_path: Path, suffix: str, change: str) -> None:
    """vox_offset or dim too small puts every voxel somewhere else; too large, or a short file, leaves some out."""
    data = bytearray(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1)).read_bytes())
    if change == "offset":
        data[352:352] = bytes(16)  # an extension that vox_offset doesn't tell of
    elif change == "dims":
        data[42:44] = (int.from_bytes(data[42:44], "little") - 1).to_bytes(2, "little")
    else:
        del data[-1]
    path = tmp_path / f"b{suffix}"
    path.write_bytes(gzip.compress(bytes(data)) if suffix == ".nii.gz" else bytes(data))
    for read in (read_nifti, nifti_labels):
        with pytest.raises(ReadError) as caught:
            read(path)
        assert caught.value.code == ("nifti-truncated" if change == "short" else "nifti-header")


def test_a_gzip_stream_that_ends_early_is_refused_though_its_voxels_are_there(tmp_path: Path) -> None:
    packed = gzip.compress(written_by_nibabel(tmp_path, stored_of("i2"), affine_of(1)).read_bytes())
    path = tmp_path / "b.nii.gz"
    for cut in (packed[:-4], packed[:-8], packed[:-8] + bytes(8)):  # its length, its sum, or both
        path.write_bytes(cut)
        with pytest.raises(ReadError, match="gzip stream") as caught:
            read_nifti(path)
        assert caught.value.code == "nifti-truncated"


@pytest.mark.parametrize("dtype", ["i8", "u8"])
def test_labels_may_have_64_bits_and_images_not(tmp_path: Path, dtype: str) -> None:
    labels = (stored_of("u1") % 3).astype(dtype)
    path = tmp_path / "l.nii"
    written_by_nibabel(tmp_path, labels, affine_of(1), path.name)
    np.testing.assert_array_equal(nifti_labels(path), labels)
    with pytest.raises(ReadError) as caught:
        read_nifti(path)
    assert caught.value.code == "nifti-type"


def test_voxels_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    stored = stored_of("f4")
    stored[1, 2, 3] = np.nan
    with pytest.raises(ReadError, match="finite"):
        read_nifti(written_by_nibabel(tmp_path, stored, affine_of(1)))


def test_what_nifti_cannot_state_is_not_written(tmp_path: Path) -> None:
    good = volume_of(stored_of("i2"), affine_of(1))
    sheared = affine_of(1)
    sheared[:3, 0] += sheared[:3, 1]
    flat = planar(7, 9, (0.2, 0.2))
    bad = {
        "rescale": replace(good, rescale=(*good.rescale[1:], Rescale(2.0))),
        "slope": replace(good, rescale=(Rescale(0.1),) * SHAPE[0]),
        "inverted": replace(good, inverted=True),
        "sheared": replace(good, geometry=Geometry(SHAPE, sheared, "patient")),
        "radiograph": replace(good, stored=good.stored[:1].copy(), geometry=flat, rescale=good.rescale[:1]),
        "type": replace(good, stored=good.stored.astype(np.int64)),
    }
    for name, volume in bad.items():
        with pytest.raises(WriteError):
            write_nifti(volume, tmp_path / f"{name}.nii")
    with pytest.raises(WriteError):
        write_nifti(good, tmp_path / "a.img")
    assert not list(tmp_path.iterdir())


def test_the_conversion_is_its_own_inverse() -> None:
    np.testing.assert_array_equal(RAS_TO_LPS @ RAS_TO_LPS, np.eye(4))
    np.testing.assert_array_equal(RAS_TO_LPS, LPS_FROM_RAS)


@pytest.mark.data
def test_a_real_brain_reads_like_nibabel_and_like_its_nrrd_twin(data: Path, tmp_path: Path) -> None:
    import SimpleITK

    folder = data / "dev" / "12_nifti_brain_label_pyradiomics"
    volume = read_nifti(folder / "brain1_image.nii.gz")
    image = nib.load(folder / "brain1_image.nii.gz")
    np.testing.assert_array_equal(volume.stored, np.asarray(image.dataobj).transpose(2, 1, 0))
    np.testing.assert_allclose(volume.geometry.affine, (LPS_FROM_RAS @ image.affine)[:, [2, 1, 0, 3]], atol=1e-4)
    twin = SimpleITK.ReadImage(str(folder / "brain1_image.nrrd"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(twin), volume.stored)
    found = twin.TransformIndexToPhysicalPoint((200, 100, 20))
    np.testing.assert_allclose(found, volume.geometry.to_world((20, 100, 200)), atol=1e-3)
    write_nifti(volume, tmp_path / "out.nii.gz")
    again = read_nifti(tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(again.stored, volume.stored)
    np.testing.assert_array_equal(again.geometry.affine, volume.geometry.affine)
