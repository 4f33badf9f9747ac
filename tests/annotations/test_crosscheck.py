"""The same objects read by tools that share no code with medaug: dcmqi (DCMTK), plastimatch, highdicom.

dcmqi and plastimatch come with the extra ``crosscheck``; real cases need the marker `data`.
"""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from medaug.annotations.registry import read_annotations
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from tests.support import annotation_objects as made
from tests.support import make
from tests.support.annotation_cases import loaded

LIVER = "dev/03_ct_liver_seg_dcmqi"


def tool(name: str, *arguments: object) -> str:
    """Run a command-line tool of one of the wheels; skip where it isn't installed."""
    found = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.skip(f"{name} is not installed: pip install medaug[crosscheck]")
    done = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    return done.stdout


def masks(file: Path, volume: Volume) -> Mask:
    """What a mask written by another tool marks on a volume: centres of its voxels in mm, looked up one by one."""
    import SimpleITK

    image = SimpleITK.ReadImage(str(file))
    marked = np.argwhere(SimpleITK.GetArrayFromImage(image) > 0)[:, ::-1]
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    index = volume.geometry.to_index(marked @ axes.T + image.GetOrigin())
    assert np.abs(index - np.rint(index)).max(initial=0) < 0.1
    found = np.zeros(volume.geometry.shape, dtype=np.bool_)
    found[tuple(np.rint(index).astype(int).T)] = True
    return found


def hull(mask: npt.NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    places = np.argwhere(mask)
    return tuple(places.min(axis=0).tolist()), tuple((places.max(axis=0) + 1).tolist())


def covered(boxes: Sequence[Box], shape: tuple[int, ...]) -> Mask:
    found = np.zeros(shape, dtype=np.bool_)
    for box in boxes:
        found[box.slices] = True
    return found


def by_segment(path: Path, volume: Volume) -> dict[int, list[Box]]:
    """Segment number → its boxes; the number stands before the dot of a box's id."""
    result = defaultdict(list)
    for box in read_annotations(path, [volume]).boxes[volume.source.key]:
        result[int(box.id.partition(".")[0])].append(box)
    return result


def liver_ct(data: Path) -> Volume:
    files = (data / LIVER / "ct").iterdir()
    return loaded(sorted(files, key=lambda f: float(pydicom.dcmread(f).ImagePositionPatient[2])))


@pytest.mark.data
@pytest.mark.parametrize("name", ["liver", "partial_overlaps"])
def test_segments_as_dcmqi_unpacks_them(data: Path, tmp_path: Path, name: str) -> None:
    volume, path = liver_ct(data), data / LIVER / "seg" / f"{name}.dcm"
    tool("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", tmp_path, "--outputType", "nrrd")
    found = by_segment(path, volume)
    assert {int(file.stem) for file in tmp_path.glob("*.nrrd")} == set(found)
    for number, boxes in found.items():
        mask = masks(tmp_path / f"{number}.nrrd", volume)
        assert hull(mask) == hull(covered(boxes, mask.shape))
        assert covered(boxes, mask.shape)[mask].all()


@pytest.mark.data
def test_a_label_map_segmentation_by_dcmqi_gives_the_boxes_of_the_binary_one(data: Path, tmp_path: Path) -> None:
    """Supplement 243, converted by dcmqi from the binary object."""
    volume, path = liver_ct(data), data / LIVER / "seg" / "liver.dcm"
    tool("bin2labelsegimage", "--inputDICOM", path, "--outputDICOM", tmp_path / "label.dcm")
    assert pydicom.dcmread(tmp_path / "label.dcm").SegmentationType == "LABELMAP"
    boxes, again = (
        read_annotations(file, [volume]).boxes[volume.source.key] for file in (path, tmp_path / "label.dcm")
    )
    assert [(b.start, b.stop, b.label, b.code) for b in again] == [(b.start, b.stop, b.label, b.code) for b in boxes]
    assert again


@pytest.mark.data
def test_segments_as_highdicom_unpacks_them(data: Path) -> None:
    volume, path = liver_ct(data), data / LIVER / "seg" / "partial_overlaps.dcm"
    pixels = hd.seg.segread(path).get_pixels_by_source_instance(
        list(volume.source.instance_uids), ignore_spatial_locations=True, assert_missing_frames_are_empty=True
    )
    for number, boxes in by_segment(path, volume).items():
        mask = pixels[..., number - 1] > 0
        assert hull(mask) == hull(covered(boxes, mask.shape))


@pytest.mark.data
def test_contours_as_plastimatch_fills_them(data: Path, tmp_path: Path) -> None:
    """plastimatch takes a voxel by its centre, medaug all that a contour passes through: one more on a side at most."""
    import SimpleITK

    folder = data / "dev" / "11_rtstruct_dicompyler"
    volume = loaded([folder / "ct.0.dcm"])
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(folder / "ct.0.dcm")), str(tmp_path / "ct.mha"))
    tool(
        "plastimatch", "convert", "--input", folder / "rtss.dcm", "--fixed", tmp_path / "ct.mha",
        "--output-prefix", tmp_path / "out", "--prefix-format", "nrrd",
    )  # fmt: skip
    found = read_annotations(folder / "rtss.dcm", [volume]).boxes[volume.source.key]
    filled = {file.stem: masks(file, volume) for file in (tmp_path / "out").glob("*.nrrd")}
    filled = {name: mask for name, mask in filled.items() if mask.any()}
    assert {box.label for box in found} == set(filled)
    for box in found:
        start, stop = hull(filled[box.label])
        # two slivers below the body hold no voxel's centre; medaug keeps them, so its last row is lower
        sides = [*zip(start, box.start, strict=True), *zip(box.stop[::2], stop[::2], strict=True)]
        assert all(0 <= inner - outer <= 1 for inner, outer in sides), box
        assert box.stop[1] >= stop[1]


def test_a_drawn_contour_as_plastimatch_fills_it(tmp_path: Path) -> None:
    """The phantom's outline lies on voxel edges, so both mean the same voxels."""
    volume = loaded(make.series(tmp_path / "ct"))
    path = made.structure_set(tmp_path, volume)
    tool(
        "plastimatch", "convert", "--input", path, "--referenced-ct", tmp_path / "ct",
        "--output-prefix", tmp_path / "out", "--prefix-format", "nrrd",
    )  # fmt: skip
    (box,) = read_annotations(path, [volume]).boxes[volume.source.key]
    assert hull(masks(tmp_path / "out" / "lesion.nrrd", volume)) == (box.start, box.stop)


def test_a_segmentation_by_highdicom_as_dcmqi_unpacks_it(tmp_path: Path) -> None:
    volume = loaded(make.series(tmp_path / "ct", orientation=(0.8, 0.6, 0, 0, 0, -1)))
    mask = np.zeros(volume.geometry.shape, dtype=np.uint8)
    mask[1:4, 20:31, 10:25], mask[4, 40:44, 50:60] = 1, 2
    path = make.seg(tmp_path / "seg", volume.source.files, mask, ["a", "b"])
    tool("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", tmp_path, "--outputType", "nrrd")
    for number, boxes in by_segment(path, volume).items():
        assert [hull(masks(tmp_path / f"{number}.nrrd", volume))] == [(box.start, box.stop) for box in boxes]
