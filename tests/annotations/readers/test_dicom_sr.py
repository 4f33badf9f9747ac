"""Structured reports beyond the phantom's outline: kinds of SCOORD3D, one frame of many, CAD trees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence

from medaug.annotations.registry import read_annotations
from medaug.imaging.volume import Volume
from tests.support import annotation_objects as made
from tests.support import make
from tests.support.annotation_cases import LESION, loaded, oblique


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct", orientation=oblique(2)))


def solid(volume: Volume, kind: str, points: np.ndarray) -> pydicom.Dataset:
    return made.item(
        ValueType="SCOORD3D",
        GraphicType=kind,
        GraphicData=[float(x) for x in points.ravel()],
        ReferencedFrameOfReferenceUID=volume.geometry.frame_of_reference_uid,
    )


# ends of the axes, a little inside of the lesion's edges: columns 10-24, rows 20-30 of slice 2
FLAT = [(10.1, 25.5), (24.9, 25.5), (17.5, 20.1), (17.5, 30.9)]
DEEP = np.array([(2, 25, 9.6), (2, 25, 24.4), (2, 19.6, 17), (2, 30.4, 17), (1.6, 25, 17), (2.4, 25, 17)])


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("ELLIPSE", FLAT),
        ("MULTIPOINT", FLAT),
        ("POLYLINE", [(10.1, 20.1), (24.9, 20.1), (24.9, 30.9)]),
        ("POLYGON", [(10.1, 20.1), (24.9, 30.9), (10.1, 30.9), (10.1, 20.1)]),
        ("ELLIPSOID", None),
    ],
)
def test_every_kind_of_three_dimensional_graphic(
    tmp_path: Path, ct: Volume, kind: str, points: list[tuple[float, float]] | None
) -> None:
    world = ct.geometry.to_world(DEEP) if points is None else made.world(ct, points)
    path = made.report(tmp_path, ct, solid(ct, kind, world))
    (box,) = read_annotations(path, [ct]).boxes[ct.source.key]
    assert (box.start, box.stop) == (LESION.start, LESION.stop)


def test_a_point_in_space_withholds_its_series(tmp_path: Path, ct: Volume) -> None:
    path = made.report(tmp_path, ct, solid(ct, "POINT", made.world(ct, [(17.5, 25.5)])))
    assert read_annotations(path, [ct]).withheld == {ct.source.key}


@pytest.mark.parametrize(("numbers", "k"), [([6], 0), ([1], 5), ([2, 3], None), (None, None)])
def test_a_mark_on_one_frame_lies_on_the_slice_that_holds_it(
    tmp_path: Path, ct: Volume, numbers: list[int] | None, k: int | None
) -> None:
    """Frames are stored from the last slice to the first here, so a number taken for a slice would show."""
    uid = ct.source.instance_uids[2]
    many = replace(ct, source=replace(ct.source, instance_uids=(uid,) * 6, frames=(5, 4, 3, 2, 1, 0)))
    drawn = made.flat(ct, "POLYLINE", made.OUTLINE)
    if numbers:
        drawn.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber = numbers
    found = read_annotations(made.report(tmp_path, ct, drawn), [many])
    if k is None:
        assert found.withheld == {many.source.key}
        return
    (box,) = found.boxes[many.source.key]
    assert (box.start, box.stop) == ((k, 20, 10), (k + 1, 31, 25))


def test_a_cad_report_s_marks_hang_below_its_findings(tmp_path: Path, ct: Volume) -> None:
    """Chest CAD (TID 4100): a Single Image Finding is a CODE item whose children hold outline and centre."""
    centre, outline = made.flat(ct, "POINT", [(17.5, 25.5)]), made.flat(ct, "POLYLINE", made.OUTLINE)
    nodule = made.item(
        ValueType="CODE",
        ConceptNameCodeSequence=made.code("111059", "DCM", "Single Image Finding"),
        ConceptCodeSequence=made.code("27925004", "SCT", "Nodule"),
        ContentSequence=[centre, outline],
    )
    path = made.report(tmp_path, ct)
    ds = pydicom.dcmread(path)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.65"
    ds.ContentSequence = Sequence([made.item(ValueType="CONTAINER", ContentSequence=[nodule])])
    ds.save_as(path)
    (box,) = read_annotations(path, [ct]).boxes[ct.source.key]
    assert (box.start, box.stop, box.label) == (LESION.start, LESION.stop, "Nodule")
    assert box.code is not None
    assert box.code.value == "27925004"
