"""The reading half over real files; see `data` in conftest."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medaug.dicom.read import parse
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.imaging.volume import Volume
from tests.support.dicom_edit import load, only

pytestmark = pytest.mark.data
LOSSLESS_SUM = 19_640_763  # of the stored integers of case 09


def outcome(root: Path, *, slices: bool = False) -> tuple[list[Volume], Counter[str]]:
    """Everything below ``root``: volumes, and codes of what gave none."""
    volumes: list[Volume] = []
    found = discover(root)
    codes = Counter({entry.code: 0 for entry in found.skipped})
    for entry in found.skipped:
        codes[entry.code] += entry.count
    for series in found.series:
        try:
            volumes += read_series(series, slices=slices)
        except ReadError as error:
            codes[error.code] += len(series.files)
    return volumes, codes


def by_simpleitk(files: tuple[Path, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Stored or modality values (k, i, j), and the affine of (k, i, j) in LPS mm."""
    import SimpleITK

    image = SimpleITK.ReadImage([str(path) for path in files])
    direction, spacing = np.array(image.GetDirection()).reshape(3, 3), np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = (direction * spacing)[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def test_every_file_ends_in_a_volume_or_a_code(data: Path) -> None:
    files = [path for path in (data / "dev").rglob("*") if path.is_file() and path.suffix not in {".jpg", ".txt"}]
    codes: Counter[str] = Counter()
    for path in files:
        volumes, refused = outcome(path)
        assert len(volumes) + sum(refused.values()) == 1, path.name
        codes += refused or Counter({"read": 1})
    assert codes["unreadable"] == 0
    assert codes["read"] == 125, codes


def test_a_tilted_head_is_refused_as_a_volume_and_read_as_slices(data: Path) -> None:
    root = data / "dev" / "04_ct_head_tilt_ge"
    volumes, codes = outcome(root)
    assert (volumes, codes["gantry-tilt"]) == ([], 28)
    slices, _ = outcome(root, slices=True)
    assert [v.source.part for v in slices] == [f"slice {n}" for n in range(1, 29)]
    assert all(v.geometry.shape == (1, 512, 512) and v.padding == (-1500, -1500) for v in slices)
    depths = [v.geometry.affine[:3, 3] @ v.geometry.affine[:3, 0] for v in slices]
    assert all(a < b for a, b in pairwise(depths))


def test_both_encodings_of_a_radiograph_hold_the_same_integers(data: Path) -> None:
    one, other = (load(path) for path in sorted((data / "dev" / "05_cr_extremity_nema").glob("*.dcm")))
    np.testing.assert_array_equal(one.stored, other.stored)
    assert one.inverted
    assert one.geometry.space == "pixel"
    flipped, _ = by_simpleitk(one.source.files)
    np.testing.assert_array_equal(1023 - flipped.reshape(one.stored.shape), one.stored)  # ITK flips MONOCHROME1


@pytest.mark.parametrize("case", ["07_mr_t1_studyforrest", "03_ct_liver_seg_dcmqi"])
def test_stacks_lie_where_simpleitk_puts_them(data: Path, case: str) -> None:
    volume = load(data / "dev" / case)
    values, affine = by_simpleitk(volume.source.files)
    assert volume.geometry.shape == ((64, 384, 274) if case.startswith("07") else (3, 512, 512))
    np.testing.assert_array_equal(volume.modality, values)
    np.testing.assert_allclose(volume.geometry.affine, affine, atol=2e-3)
    assert np.abs(volume.geometry.affine[:, [0, 2, 1, 3]] - affine).max() > 0.1


def test_the_decoder_matrix(data: Path) -> None:
    sums: dict[str, int] = {}
    for path in sorted((data / "dev" / "09_ct_transfer_syntaxes").glob("*.dcm")):
        syntax = path.stem.split("_")[-1]
        sums[syntax] = int(load(path).stored.sum(dtype=np.int64))
    lossless = {"CTImage"} | {
        f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2", ".4.57", ".4.70", ".4.80", ".4.90", ".5")
    }
    assert {syntax for syntax, total in sums.items() if total == LOSSLESS_SUM} == lossless
    lossy = set(sums) - lossless
    assert lossy == {f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "53", "55", "81", "91")}


@pytest.mark.parametrize("end", ["51", "53", "55"])
def test_lossy_jpeg_of_12_bits_and_retired_processes(data: Path, end: str) -> None:
    folder = data / "dev" / "09_ct_transfer_syntaxes"
    (lossy,) = folder.glob(f"*4.{end}.dcm")
    found, lossless = load(lossy).modality, load(folder / "CTImage.dcm").modality
    np.testing.assert_allclose(found, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(lossy)), atol=1e-3)
    inside = lossless > -1000
    assert np.abs(found - lossless)[inside].mean() < 20  # HU; what an encoder of lossy JPEG lost


def test_one_slice_in_many_encodings_is_a_conflict(data: Path) -> None:
    assert outcome(data / "dev" / "09_ct_transfer_syntaxes") == ([], Counter({"uid-conflict": 16}))


@pytest.mark.parametrize(
    ("case", "codes"),
    [
        ("13_sr_seg_rwvm_dcmqi", {"not-an-image": 3}),
        ("16_enhanced_mr_compressed", {"functional-groups": 5, "truncated": 1}),
    ],
)
def test_what_is_not_handled(data: Path, case: str, codes: dict[str, int]) -> None:
    assert outcome(data / "dev" / case) == ([], Counter(codes))


def test_of_ultrasound_what_is_uncompressed_is_usable(data: Path) -> None:
    found, codes = outcome(data / "dev" / "10_us")
    assert (len(found), codes) == (1, Counter({"colour": 1, "unsupported-class": 1}))


def test_annotations_beside_an_image_are_left_to_their_readers(data: Path) -> None:
    root = data / "dev" / "03_ct_liver_seg_dcmqi"
    assert len(only(root).files) == 3
    assert Counter(entry.code for entry in discover(root).skipped)["not-an-image"] == 2


@pytest.mark.parametrize("name", ["BRTUM003", "BRTUM008"])
def test_an_enhanced_mr_lies_where_highdicom_puts_it(data: Path, name: str) -> None:
    import highdicom

    path = data / "dev" / "08_mr_enhanced_multiframe_nema" / f"{name}.dcm"
    volume = load(path)
    with parse.quiet():
        image = highdicom.imread(path)
        other = image.get_volume(
            apply_real_world_transform=False, apply_modality_transform=False, apply_voi_transform=False
        )
    flat = other.array.reshape(other.array.shape[:3])
    order = slice(None) if np.allclose(other.affine[:3, 3], volume.geometry.affine[:3, 3]) else slice(None, None, -1)
    np.testing.assert_array_equal(volume.stored, flat[order])
    far = other.affine[:3, :3] @ [23 if order.step else 0, 0, 0] + other.affine[:3, 3]
    np.testing.assert_allclose(volume.geometry.affine[:3, 3], far, atol=1e-3)
    assert sorted(volume.source.frames) == list(range(24))
