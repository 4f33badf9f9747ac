"""Label maps through the reader of images of their format: the same grid, the same refusals, and whose map it is."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from medaug.annotations.registry import Matched, read_annotations, read_masks
from medaug.errors import AnnotationError, ReadError
from medaug.formats.nifti import read_nifti
from medaug.formats.nrrd import read_nrrd, write_nrrd
from medaug.imaging.volume import Volume
from tests.support.annotation_cases import refusal

PLAIN = np.diag([-1.5, -1.5, 3.0, 1.0])  # index (x, y, z) → RAS mm
SHAPE = (8, 30, 40)  # slices, rows, columns
MARKED = ((3, 10, 5), (5, 20, 12))
PATCH = {"qform_code": (252, "<h"), "sform_code": (254, "<h"), "pixdim": (80, "<3f"), "srow_x": (280, "<4f"),
         "slope": (112, "<2f"), "dim": (42, "<3h"), "offset": (108, "<f")}  # fmt: skip


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 1000, SHAPE).astype(np.int16)


def labels(*boxes: Any, dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=dtype)
    for start, stop in boxes or (MARKED,):
        mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = 1
    return mask


def written(path: Path, values: np.ndarray, affine: np.ndarray = PLAIN, **fields: tuple[float, ...]) -> Path:
    """By nibabel, with fields of the header overwritten byte by byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = nib.Nifti1Image(values.transpose(2, 1, 0), affine)
    made.header.set_xyzt_units(2)
    plain = path.with_name("made.nii")
    nib.save(made, plain)
    data = bytearray(plain.read_bytes())
    plain.unlink()
    for name, numbers in fields.items():
        offset, kind = PATCH[name]
        data[offset : offset + struct.calcsize(kind)] = struct.pack(kind, *numbers)
    path.write_bytes(gzip.compress(bytes(data)) if path.suffix == ".gz" else bytes(data))
    return path


def spans(found: Matched, volume: Volume) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(box.label, box.start, box.stop) for box in found.boxes[volume.source.key]]


def sheared(cosine: float) -> np.ndarray:
    """Turned by 20 degrees, then one axis leaned over."""
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    affine = PLAIN.copy()
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ PLAIN[:3, :3]
    affine[:3, 1] += affine[:3, 0] * cosine
    return affine


GRIDS: dict[str, dict[str, Any]] = {
    "a small shear": {"affine": sheared(4e-4)},
    "voxel sizes that are not the sform's": {"pixdim": (1, 1, 1)},
    "no qform": {"qform_code": (0,)},
    "an sform of another code": {"qform_code": (0,), "sform_code": (4,)},
    "turned": {"affine": sheared(0)},
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_an_image_and_its_map_of_one_header_share_their_voxels(tmp_path: Path, grid: str, suffix: str) -> None:
    volume = read_nifti(written(tmp_path / f"in/case{suffix}", image(), **GRIDS[grid]))
    path = written(tmp_path / f"lab/case{suffix}", labels(), **GRIDS[grid])
    assert spans(read_annotations(path, [volume]), volume) == [("label-1", *MARKED)]


@pytest.mark.parametrize("code", [2, 3, 4])
def test_two_forms_that_differ_are_refused_for_a_map_as_for_an_image(tmp_path: Path, code: int) -> None:
    """A mirrored sform beside a qform: which one counts decides the side on which the lesion lies."""
    volume = read_nifti(written(tmp_path / "in/case.nii", image()))
    mirrored: dict[str, Any] = {"qform_code": (1,), "sform_code": (code,), "srow_x": (1.5, 0, 0, -58.5)}
    path = written(tmp_path / "lab/case.nii", labels(), **mirrored)
    assert "sform and qform place a corner" in refusal(path, volume, whole=False)


@pytest.mark.parametrize("cosine", [0.0133, 0.05, 0.3])
def test_a_sheared_map_is_refused_as_a_sheared_image_is(tmp_path: Path, cosine: float) -> None:
    """Its box would lie voxels off; the sentence states the very angle."""
    volume = read_nifti(written(tmp_path / "in/case.nii", image()))
    path = written(tmp_path / "lab/case.nii", labels(), affine=sheared(cosine))
    said = refusal(path, volume, whole=False)
    assert "expected axes at right angles, found a cosine of 0." in said
    with pytest.raises(ReadError) as of_image:
        read_nifti(written(tmp_path / "other/case.nii", image(), affine=sheared(cosine)))
    assert str(of_image.value) in said


def test_a_slope_of_0_means_no_scaling(tmp_path: Path) -> None:
    volume = read_nifti(written(tmp_path / "in/case.nii", image()))
    path = written(tmp_path / "lab/case.nii", labels(), slope=(0, 1))
    assert spans(read_annotations(path, [volume]), volume) == [("label-1", *MARKED)]
    path = written(tmp_path / "lab/case.nii", labels(), slope=(3, 0))
    assert spans(read_annotations(path, [volume]), volume) == [("label-3", *MARKED)]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -SHAPE[1] * SHAPE[2] * 4])


def cut_stream(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[: -SHAPE[1] * SHAPE[2] * 4])[:-8])


def cut_inside_stream(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[: -SHAPE[1] * SHAPE[2] * 4]))


@pytest.mark.parametrize(
    ("name", "change", "fields"),
    [
        ("case.nii", cut, {}),
        ("case.nii.gz", cut_stream, {}),
        ("case.nii.gz", cut_inside_stream, {}),
        ("case.nii", None, {"offset": (368.0,)}),
        ("case.nii", None, {"dim": (40, 30, 9)}),
        ("case.nii", None, {"dim": (40, 30, 7)}),
    ],
)
def test_a_map_that_is_cut_short_withholds_its_image(
    tmp_path: Path, name: str, change: Callable[[Path], None] | None, fields: dict[str, Any]
) -> None:
    """The lesion of the last slices would read as zeros, or lie elsewhere; another case isn't touched."""
    a, b = (read_nifti(written(tmp_path / f"in/{n}.nii", image() + np.int16(k))) for k, n in enumerate(("case", "b")))
    path = written(tmp_path / "lab" / name, labels(((6, 2, 2), (8, 9, 9))), **fields)
    if change:
        change(path)
    written(tmp_path / "lab/b.nii", labels())
    found = read_annotations(tmp_path / "lab", [a, b])
    assert spans(found, b) == [("label-1", *MARKED)]
    assert found.withheld == {a.source.key}
    assert found.unmatched_annotations[0].startswith("bad-entry: 1 (label map 1: NIfTI file: ")


def test_an_nrrd_map_is_read_as_its_image(tmp_path: Path) -> None:
    volume = read_nifti(written(tmp_path / "in.nii", image()))
    for name, values in (("case.nrrd", image()), ("case_seg.nrrd", labels())):
        write_nrrd(_with(volume, values), tmp_path / name)
    ct = read_nrrd(tmp_path / "case.nrrd")
    assert spans(read_annotations(tmp_path / "case_seg.nrrd", [ct]), ct) == [("label-1", *MARKED)]
    data = (tmp_path / "case_seg.nrrd").read_bytes()
    (tmp_path / "case_seg.nrrd").write_bytes(data[:-9])
    assert "gzip stream is damaged or cut short" in refusal(tmp_path / "case_seg.nrrd", ct, whole=False)
    (tmp_path / "case_seg.nhdr").write_bytes(data)
    with pytest.raises(AnnotationError, match="none of them"):
        read_annotations(tmp_path / "case_seg.nhdr", [ct])


def _with(volume: Volume, values: np.ndarray) -> Volume:
    from dataclasses import replace

    return replace(volume, stored=values)


def test_labels_of_64_bits_are_read(tmp_path: Path) -> None:
    volume = read_nifti(written(tmp_path / "in/case.nii", image()))
    path = tmp_path / "lab.nii"
    nib.save(nib.Nifti1Image(labels(dtype=np.int64).transpose(2, 1, 0), PLAIN, dtype=np.int64), path)
    assert spans(read_annotations(path, [volume]), volume) == [("label-1", *MARKED)]


@pytest.mark.parametrize(
    ("images", "maps"),
    [
        (("case1", "case2"), {"case1_seg": "case1", "case2_seg": "case2"}),
        (("case1_0000", "case1_0001"), {"case1-mask": "case1_0000 case1_0001"}),
        (("b/b_t1", "b/b_flair", "c/c_t1"), {"b/b_seg": "b/b_t1 b/b_flair", "c/c_seg": "c/c_t1"}),
        (("G-1-000-t1c", "G-1-000-t2f"), {"G-1-000-seg": "G-1-000-t1c G-1-000-t2f"}),
        (("sub-1/anat/sub-1_T1w",), {"derivatives/sub-1/anat/sub-1_T1w_label-lesion_mask": "sub-1/anat/sub-1_T1w"}),
        (("sub-1/anat/sub-1_T1w",), {"derivatives/sub-1/anat/sub-1_desc-lesion_mask": "sub-1/anat/sub-1_T1w"}),
        (("s1/ct", "s2/ct"), {"s1/segmentations/tumour": "s1/ct", "s2/segmentations/tumour": "s2/ct"}),
        (("s1/image", "s2/image"), {"s1/mask": "s1/image", "s2/mask": "s2/image"}),
        (("case1", "case2"), {"case1/tumour": "case1", "case2_segmentations/tumour": "case2"}),
    ],
)
def test_maps_beside_their_images(tmp_path: Path, images: tuple[str, ...], maps: dict[str, str]) -> None:
    """All on one grid, as in most collections, so names and folders alone say whose a map is."""
    volumes = {n: read_nifti(written(tmp_path / f"{n}.nii.gz", image() + np.int16(k))) for k, n in enumerate(images)}
    for k, name in enumerate(maps):
        written(tmp_path / f"{name}.nii.gz", labels(((3, 1 + k, 5), (5, 20, 12))))
    found = read_annotations(tmp_path, list(volumes.values()))
    for k, marked in enumerate(maps.values()):
        for name in marked.split():
            assert spans(found, volumes[name]) == [("label-1", (3, 1 + k, 5), (5, 20, 12))]
    assert not found.withheld
    assert not found.unmatched_annotations


@pytest.mark.parametrize("named", ["{}/ct", "{}"], ids=["folders alike", "folders named like images"])
def test_a_file_for_each_structure_gives_the_structure_s_name(tmp_path: Path, named: str) -> None:
    """As TotalSegmentator writes them, empty ones too; the folder says whose they are."""
    cases = ("s1", "s2")
    paths = [tmp_path / "in" / f"{named.format(case)}.nii.gz" for case in cases]
    volumes = [read_nifti(written(path, image() + np.int16(k))) for k, path in enumerate(paths)]
    for k, case in enumerate(cases):
        written(tmp_path / f"out/{case}/liver.nii.gz", labels(((1, 2, 3 + k), (2, 9, 9))))
        written(tmp_path / f"out/{case}/lung_upper_lobe_left.nii.gz", labels())
        written(tmp_path / f"out/{case}/spleen.nii.gz", labels() * np.uint8(0))
    found = read_annotations(tmp_path / "out", volumes)
    assert spans(found, volumes[0]) == [("liver", (1, 2, 3), (2, 9, 9)), ("lung_upper_lobe_left", *MARKED)]
    assert spans(found, volumes[1]) == [("liver", (1, 2, 4), (2, 9, 9)), ("lung_upper_lobe_left", *MARKED)]
    assert {marked.label for marked in read_masks(tmp_path / "out", volumes)} == {"liver", "lung_upper_lobe_left"}
