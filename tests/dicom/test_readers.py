"""Derived series in three readers that were not written by us: the same array in the same place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.write.encode import OutputSyntax
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.dicom_derived import ring, variant_of, written
from tests.support.dicom_multiframe import enhanced, placed
from tests.support.tables import write_table

PLANES = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0, -0.36, 0.48, 0.8),
}
FLIPS = {"": (1, 1), ", rows flipped": (1, -1), ", columns flipped": (-1, 1), ", both flipped": (-1, -1)}
ORIENTATIONS = {
    f"{plane}{flip}": (*(a * x for x in PLANES[plane][:3]), *(b * x for x in PLANES[plane][3:]))
    for plane in PLANES
    for flip, (a, b) in FLIPS.items()
}
Grid = tuple[np.ndarray, np.ndarray]  # modality values (k, i, j), and the affine of (k, i, j) in LPS mm


def by_simpleitk(files: tuple[Path, ...]) -> Grid:
    import SimpleITK

    image = SimpleITK.ReadImage([str(path) for path in files])
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def by_monai(files: tuple[Path, ...]) -> Grid:
    from monai.data.image_reader import PydicomReader

    reader = PydicomReader(affine_lps_to_ras=False)
    values, meta = reader.get_data(reader.read(str(files[0].parent)))
    affine = np.asarray(meta["affine"], dtype=np.float64)[:, [2, 1, 0, 3]]  # its axes are (column, row, slice)
    return np.asarray(values).T, affine


def by_highdicom(files: tuple[Path, ...]) -> Grid:
    volume = hd.get_volume_from_series([pydicom.dcmread(path) for path in files])
    first = np.array(pydicom.dcmread(files[0]).ImagePositionPatient, dtype=np.float64)
    if not np.allclose(volume.affine[:3, 3], first):  # it may count slices from the other end
        volume = volume.flip_spatial(0)
    return volume.array, volume.affine


def three(source: Volume, folder: Path, read: Callable[[tuple[Path, ...]], Grid], syntax: OutputSyntax) -> None:
    changed = ring(source)
    expected = variant_of(source, changed)
    values, affine = read(written(source, folder, changed, syntax=syntax))
    assert_array_equal(values, expected.modality)
    assert (values != source.modality).any()
    assert_allclose(affine, source.geometry.affine, atol=1e-5)


READERS = {by_simpleitk: "SimpleITK", by_monai: "MONAI PydicomReader", by_highdicom: "highdicom"}
SAME: set[tuple[str, str]] = set()  # what the test below found


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_same_array_in_the_same_place(
    tmp_path: Path, orientation: str, read: Callable[[tuple[Path, ...]], Grid]
) -> None:
    make.series(tmp_path / "in", slices=4, rows=20, columns=30, orientation=ORIENTATIONS[orientation])
    (found,) = discover(tmp_path / "in").series
    (source,) = read_series(found)
    three(source, tmp_path / "out", read, "explicit-le")
    SAME.add((orientation, READERS[read]))


@pytest.mark.parametrize("read", [by_simpleitk, by_monai, by_highdicom])
@pytest.mark.parametrize("syntax", ["jpeg2000-lossless", "jpeg-ls-lossless", "rle-lossless"])
def test_the_same_array_in_every_encoding(
    tmp_path: Path, syntax: OutputSyntax, read: Callable[[tuple[Path, ...]], Grid]
) -> None:
    make.series(tmp_path / "in", slices=3, rows=40, columns=48, padding=-2000)
    (found,) = discover(tmp_path / "in").series
    (source,) = read_series(found)
    three(source, tmp_path / "out", read, syntax)


def frames_by_simpleitk(path: Path) -> Grid:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def frames_by_highdicom(path: Path) -> Grid:
    image = hd.imread(path)
    volume = image.get_volume()
    first = np.array(image.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient, float)
    if not np.allclose(volume.affine[:3, 3], first):  # it may count slices from the other end
        volume = volume.flip_spatial(0)
    return volume.array, volume.affine


FRAMES = {frames_by_simpleitk: "SimpleITK", frames_by_highdicom: "highdicom"}


@pytest.mark.parametrize("read", FRAMES)
@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_frames_in_the_same_place(tmp_path: Path, orientation: str, read: Callable[[Path], Grid]) -> None:
    """Spacing along k comes from the positions, so the source states it as its own, too."""
    directions = ORIENTATIONS[orientation]
    normal = np.cross(directions[:3], directions[3:])
    frames = [placed(depth, normal=normal) for depth in (6.0, 0.0, 9.0, 3.0)]
    measures = {"PixelMeasuresSequence": {"PixelSpacing": [0.8, 0.9], "SliceThickness": 3, "SpacingBetweenSlices": 3}}
    enhanced(tmp_path / "in", frames, orientation=directions, shared=measures)
    (found,) = discover(tmp_path / "in").series
    (source,) = read_series(found)
    changed = ring(source)
    (path,) = written(source, tmp_path / "out", changed)
    values, affine = read(path)
    assert_array_equal(values, variant_of(source, changed).modality)
    assert_allclose(affine, source.geometry.affine, atol=1e-5)
    SAME.add((f"Enhanced MR, {orientation}", FRAMES[read]))


def test_the_documents_table_is_what_was_found() -> None:
    """Write it anew with ``MEDAUG_WRITE_DOCS=1 pytest tests/dicom/test_readers.py``."""
    if len(SAME) < len(ORIENTATIONS) * len(READERS) + 2 * len(FRAMES):
        pytest.skip("the tests of this module were not all run")
    head = "".join(f" {name} |" for name in READERS.values())
    lines = [f"| derived series |{head}", "|---" * (1 + len(READERS)) + "|"]
    for kind in (*ORIENTATIONS, "Enhanced MR, axial", "Enhanced MR, oblique"):
        cells = ("same" if (kind, name) in SAME else "not read as a volume" for name in READERS.values())
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    write_table("docs/reference/dicom.md", "readers", "\n".join(lines))
