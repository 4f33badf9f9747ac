"""Boxes written in another format are read as the same boxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import medaug
from medaug.annotations.table import read_annotations
from medaug.errors import AnnotationError
from medaug.execution import conversion
from medaug.execution.plan import Unit
from medaug.imaging.volume import Volume
from tests import make
from tests.annotations.cases import loaded
from tests.execution.test_run import small_profile


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct", identity_removed=True))


@pytest.fixture
def units(tmp_path: Path, ct: Volume) -> tuple[Unit, ...]:
    """A box over two slices and one beside it, two variants of one source."""
    mask = np.zeros((*ct.geometry.shape, 1), dtype=np.uint8)[..., 0]
    mask[2:4, 20:31, 10:25], mask[3, 50:53, 60:64] = 1, 1
    seg = make.seg(tmp_path / "seg", ct.source.files, mask, ['lesion, "left"'])
    planned = medaug.plan(tmp_path / "ct", profile=small_profile(tmp_path), annotations=seg, variants=2)
    assert len(planned.units) == 2
    return planned.units


EXPECTED = [
    ((2, 20, 10), (3, 31, 25)),
    ((3, 20, 10), (4, 31, 25)),
    ((3, 50, 60), (4, 53, 64)),
]


@pytest.mark.parametrize("name", ["csv", "coco", "yolo"])
def test_what_is_written_is_read_as_the_same_boxes(
    tmp_path: Path, ct: Volume, units: tuple[Unit, ...], name: str
) -> None:
    images = list(conversion.labelled(units))
    path = tmp_path / "out"
    path.mkdir()
    if name == "yolo":
        for file, text in conversion.to_yolo(images).items():
            (path / file).write_text(text)
    else:
        path = path / {"csv": "a.csv", "coco": "a.json"}[name]
        path.write_text(conversion.to_csv(images) if name == "csv" else conversion.to_coco(images))
    found = read_annotations(path, [ct])
    boxes = found.boxes[ct.source.key]
    assert sorted((box.start, box.stop) for box in boxes) == EXPECTED
    assert {box.label for box in boxes} == {'lesion, "left"'}
    assert not found.unmatched_annotations


def test_one_instance_of_several_slices_states_the_slice(tmp_path: Path, ct: Volume, units: tuple[Unit, ...]) -> None:
    uid = ct.source.instance_uids[0]
    enhanced = replace(ct, source=replace(ct.source, instance_uids=(uid,) * 6))
    units = tuple(replace(unit, reference=enhanced.source) for unit in units)
    images = list(conversion.labelled(units))
    for name, text in (("a.csv", conversion.to_csv(images)), ("a.json", conversion.to_coco(images))):
        (tmp_path / name).write_text(text)
        boxes = read_annotations(tmp_path / name, [enhanced]).boxes[enhanced.source.key]
        assert sorted((box.start, box.stop) for box in boxes) == EXPECTED
    with pytest.raises(AnnotationError, match="convert to coco or csv"):
        conversion.to_yolo(images)
