"""The same lesion in every format is the same box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medaug.annotations.registry import READERS, SENTENCES, detect, read_annotations
from medaug.errors import AnnotationError
from tests.support import make
from tests.support.annotation_cases import AXIAL, LESION, SAGITTAL, WRITERS, loaded, oblique, slices_of
from tests.support.paths import ROOT

FORMATS = {name: name.split()[0] for name in WRITERS} | {
    "nifti": "labelmap",
    "nifti flipped": "labelmap",
    "nrrd crop": "labelmap",
}
MASKS = ("rtstruct", "sr 3d", "slicer", "slicer ras", "seg", "nifti", "nifti flipped", "nrrd crop")


def test_every_reader_is_tried() -> None:
    assert set(FORMATS.values()) | {"luna"} == set(READERS)  # a cube, see test_dialects


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_lesion_is_the_same_box(tmp_path: Path, name: str) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    path = WRITERS[name](tmp_path, volume)
    assert detect(path) == FORMATS[name]
    found = read_annotations(path, [volume])
    (box,) = found.boxes[volume.source.key]
    assert replace(box, id="", code=None) == LESION
    assert found.unmatched_annotations == ()
    assert not found.withheld


@pytest.mark.parametrize("orientation", [SAGITTAL, oblique(1), oblique(2), oblique(3)])
@pytest.mark.parametrize("name", MASKS)
def test_masks_land_on_their_voxels_under_any_orientation(
    tmp_path: Path, name: str, orientation: tuple[float, ...]
) -> None:
    volume = loaded(make.series(tmp_path / "ct", orientation=orientation))
    found = read_annotations(WRITERS[name](tmp_path, volume), [volume])
    (box,) = found.boxes[volume.source.key]
    assert (box.start, box.stop) == (LESION.start, LESION.stop)


@pytest.mark.parametrize("name", WRITERS)
def test_slices_that_are_volumes_of_their_own_get_their_own_box(tmp_path: Path, name: str) -> None:
    whole = loaded(make.series(tmp_path / "ct"))
    found = read_annotations(WRITERS[name](tmp_path, whole), slices := slices_of(whole))
    boxes = {k: found.boxes.get(volume.source.key, ()) for k, volume in enumerate(slices)}
    assert [k for k, some in boxes.items() if some] == [2]
    assert (boxes[2][0].start, boxes[2][0].stop) == ((0, 20, 10), (1, 31, 25))


@pytest.mark.parametrize("name", WRITERS)
def test_another_series_gets_nothing(tmp_path: Path, name: str) -> None:
    volume = loaded(make.series(tmp_path / "ct", seed=1))
    path = WRITERS[name](tmp_path, volume)
    affine = volume.geometry.affine.copy()
    affine[:3, 3] += 0.3  # 0.4 voxel
    other = make.volume((6, 64, 64), seed=2)
    other = replace(other, geometry=replace(volume.geometry, affine=affine, frame_of_reference_uid=make.uid("another")))
    if FORMATS[name] == "labelmap":
        with pytest.raises(AnnotationError, match="same grid"):
            read_annotations(path, [other])
        return
    if FORMATS[name] == "slicer":  # names no image and no frame: a sole series is taken for the one that is meant
        return
    found = read_annotations(path, [other])
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("no-image: 1 (")


def test_axial_is_what_the_phantom_has(tmp_path: Path) -> None:
    """The table test would pass with x and y swapped if the lesion were square; it is not."""
    assert LESION.shape[1] != LESION.shape[2]
    assert loaded(make.series(tmp_path, orientation=AXIAL)).geometry.shape == (6, 64, 64)


def test_every_format_and_every_code_is_documented() -> None:
    document = (ROOT / "docs" / "reference" / "annotations.md").read_text()
    for name in (*READERS, *SENTENCES):
        assert f"| `{name}` |" in document, name
