"""NRRD in and out, against SimpleITK as the other reader, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from medaug.errors import ReadError, WriteError
from medaug.formats.nrrd import read_nrrd, write_nrrd
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Rescale
from tests.support import make

CANARY = "MUSTERMANN"
VALUES = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5) - 7
FIELDS: dict[str, str] = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(0.5,0,0) (0,0.6,0) (0,0,2)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(-10,20,30)",
}


def written(path: Path, data: bytes | None = None, lines: tuple[str, ...] = (), **changes: str | None) -> Path:
    fields = FIELDS | {key.replace("_", " "): value for key, value in changes.items()}
    text = "\n".join(["NRRD0004", *lines, *(f"{k}: {v}" for k, v in fields.items() if v is not None)]) + "\n\n"
    path.write_bytes(text.encode() + (VALUES.astype("<i2").tobytes() if data is None else data))
    return path


def oblique() -> Geometry:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * [2.0, 0.6, 0.5], [-11.5, 20.25, 3.125]
    return Geometry((3, 4, 5), affine, "patient")


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_what_is_written_is_read_and_simpleitk_agrees(tmp_path: Path, dtype: str) -> None:
    volume = make.volume((3, 4, 5), stored=VALUES.astype(dtype), geometry=oblique(), rescale=(Rescale(),) * 3)
    write_nrrd(volume, tmp_path / "a.nrrd")
    found = read_nrrd(tmp_path / "a.nrrd")
    assert found.stored.dtype == np.dtype(dtype)
    assert np.array_equal(found.stored, volume.stored)
    assert found.geometry.close_to(volume.geometry, 1e-9)
    other = SimpleITK.ReadImage(str(tmp_path / "a.nrrd"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(other), volume.stored)
    for k, i, j in ((0, 0, 0), (2, 3, 4), (1, 0, 3)):
        assert np.allclose(other.TransformIndexToPhysicalPoint((j, i, k)), found.geometry.to_world((k, i, j)))


@pytest.mark.parametrize("space", ["LPS", "RAS", "right-anterior-superior", "left-anterior-superior"])
def test_spaces_and_byte_orders_as_simpleitk_reads_them(tmp_path: Path, space: str) -> None:
    data = gzip.compress(VALUES.astype(">i2").tobytes())
    path = written(tmp_path / "a.nrrd", data, space=space, endian="big", encoding="gzip")
    found, other = read_nrrd(path), SimpleITK.ReadImage(str(path))
    assert np.array_equal(found.stored, VALUES)
    assert np.array_equal(SimpleITK.GetArrayFromImage(other), VALUES)
    assert np.allclose(other.TransformIndexToPhysicalPoint((4, 3, 2)), found.geometry.to_world((2, 3, 4)))


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("nrrd-detached", {"data_file": "a.raw"}),
        ("nrrd-detached", {"datafile": "LIST"}),
        ("nrrd-header", {"endian": None}),
        ("nrrd-header", {"old_min": "3"}),
        ("nrrd-header", {"byte_skip": "-1"}),
        ("nrrd-header", {"sizes": "5 4 x"}),
        ("nrrd-encoding", {"encoding": "ascii"}),
        ("nrrd-type", {"type": "block"}),
        ("nrrd-dimensions", {"sizes": "5 4 3 2", "dimension": "4"}),
        ("nrrd-dimensions", {"kinds": "vector domain domain"}),
        ("nrrd-space", {"space": None}),
        ("nrrd-space", {"space": "scanner-xyz"}),
        ("nrrd-space", {"space_directions": "(0.5,0,0) (0.3,0.6,0) (0,0,2)"}),
        ("nrrd-space", {"space_directions": "(0.5,0,0) none (0,0,2)"}),
        ("nrrd-space", {"space_directions": "(0.5,0,0) (0,0,0) (0,0,2)"}),
        ("nrrd-space", {"space_units": '"m" "m" "m"'}),
        ("nrrd-truncated", {"sizes": "5 4 4"}),
        ("nrrd-truncated", {"sizes": "5 4 2"}),
        ("nrrd-truncated", {"sizes": "900 900 900"}),
        ("nrrd-too-large", {"sizes": "99999 99999 9"}),
        ("nrrd-truncated", {"encoding": "gzip"}),
    ],
)
def test_what_could_mean_something_else_is_refused(tmp_path: Path, code: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ReadError) as caught:
        read_nrrd(written(tmp_path / "a.nrrd", **changes))
    assert caught.value.code == code


def test_nan_and_no_header_are_refused(tmp_path: Path) -> None:
    values = VALUES.astype("<f4")
    values[0, 0, 0] = np.nan
    for code, path in (
        ("nrrd-values", written(tmp_path / "a.nrrd", values.tobytes(), type="float")),
        ("nrrd-header", tmp_path / "b.nrrd"),
    ):
        (tmp_path / "b.nrrd").write_bytes(b"NRRD0004\ntype: short\n")
        with pytest.raises(ReadError) as caught:
            read_nrrd(path)
        assert caught.value.code == code


def test_text_makes_the_identity_unknown_and_is_not_copied(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.nrrd", lines=("# Complete NRRD file format specification at:",))
    assert read_nrrd(plain).source.identity == "declared"
    for n, lines in enumerate(((f"# {CANARY}",), (f"patient:={CANARY}",), (f"content: {CANARY}",))):
        volume = read_nrrd(written(tmp_path / f"{n}.nrrd", lines=lines))
        assert volume.source.identity == "unknown"
        write_nrrd(volume, tmp_path / "out.nrrd")
        assert CANARY.encode() not in (tmp_path / "out.nrrd").read_bytes()
        assert b"SYNTHETIC" in (tmp_path / "out.nrrd").read_bytes()


def test_what_nrrd_can_not_say_is_not_written(tmp_path: Path) -> None:
    volume = read_nrrd(written(tmp_path / "a.nrrd"))
    for wrong in (make.volume(), make.volume((3, 8, 8)), make.volume((3, 4, 5), stored=VALUES.astype(np.int64))):
        with pytest.raises(WriteError):
            write_nrrd(wrong, tmp_path / "b.nrrd")
    write_nrrd(volume, tmp_path / "b.nrrd")
    write_nrrd(volume, tmp_path / "c.nrrd")
    assert (tmp_path / "b.nrrd").read_bytes() == (tmp_path / "c.nrrd").read_bytes()


@pytest.mark.data
def test_a_real_one_is_the_nifti_of_the_same_scan(data: Path) -> None:
    from medaug.formats.nifti import read_nifti

    folder = data / "dev" / "12_nifti_brain_label_pyradiomics"
    nrrd, nifti = read_nrrd(folder / "brain1_image.nrrd"), read_nifti(folder / "brain1_image.nii.gz")
    assert np.array_equal(nrrd.stored, nifti.stored)
    assert nrrd.geometry.close_to(nifti.geometry, 1e-3)
    assert nrrd.source.identity == "declared"
