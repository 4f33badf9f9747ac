from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pytest

from tests.support import make
from tests.support.dicom_validators import dciodvfy, errors


def test_built_files_are_valid(tmp_path: Path) -> None:
    built = [
        make.radiograph(tmp_path, name=f"{modality}{photometric}{bits}{removed}", modality=modality,
                        photometric=photometric, bits=bits, identity_removed=removed)
        for modality, photometric, bits, removed in (
            ("CR", "MONOCHROME1", 8, True), ("CR", "MONOCHROME2", 16, None), ("DX", "MONOCHROME1", 12, False),
            ("DX", "MONOCHROME2", 10, True),
        )
    ]  # fmt: skip
    built += make.series(tmp_path / "ct", slices=2, padding=-2000, tilt_deg=10)
    built += make.series(tmp_path / "mr", modality="MR", slices=2, padding=0, orientation=(0, 1, 0, 0, 0, -1))
    for path in built:
        assert errors(dciodvfy(path)) == set(), path.name
    data = built[0].read_bytes()
    built[0].write_bytes(data.replace(b"MONOCHROME1 ", b"MONOCHROME3 "))
    assert errors(dciodvfy(built[0]))  # the check can fail


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    one, other = make.radiograph(tmp_path / "a"), make.radiograph(tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes() != make.radiograph(tmp_path / "c", seed=1).read_bytes()
    for first, second in zip(make.series(tmp_path / "d"), make.series(tmp_path / "e"), strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("shape", [(1, 64, 48), (6, 64, 64)])
def test_the_lesion_is_where_it_is_said_to_be(shape: tuple[int, int, int]) -> None:
    box = make.lesion(shape)
    volume = make.volume(shape)
    inside, around = volume.stored[box.slices], volume.stored[box.grown((0, 3, 3), shape).slices]
    assert abs(float(inside.mean()) - float(around.mean())) > 10
    assert volume.geometry.space == ("detector" if shape[0] == 1 else "patient")


def test_a_segmentation_marks_what_it_was_given(tmp_path: Path) -> None:
    files = make.series(tmp_path / "ct", slices=3)
    mask = np.zeros((3, 64, 64), np.uint8)
    mask[1, 10:20, 5:9], mask[2, 30:31, 40:44] = 1, 2
    read = highdicom.seg.segread(make.seg(tmp_path / "seg", files, mask, ["one", "two"]))
    assert [read.get_segment_description(n).segment_label for n in (1, 2)] == ["one", "two"]
    assert int(read.pixel_array.sum()) == 44
