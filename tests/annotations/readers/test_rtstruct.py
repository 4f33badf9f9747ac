"""RT structure sets as planning systems write them: points, the patient's outline, regions without a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.sequence import Sequence

from medaug.annotations.registry import Matched, read_annotations
from medaug.imaging.volume import Volume
from tests.support import annotation_objects as made
from tests.support import make
from tests.support.annotation_cases import LESION, loaded

SQUARE = [(2, 2), (60, 2), (60, 60), (2, 60), (2, 2)]


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct"))


def contour(volume: Volume, kind: str, points: list[tuple[float, float]], k: int) -> pydicom.Dataset:
    return made.item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(points),
        ContourData=[f"{x:.6f}" for x in made.world(volume, points, k).ravel()],
        ContourImageSequence=[made.item(ReferencedSOPInstanceUID=volume.source.instance_uids[k])],
    )


def written(
    folder: Path, volume: Volume, *regions: tuple[str, str, list[pydicom.Dataset]], lesion_kind: str = ""
) -> Path:
    """The lesion as region 7, and others of (name, interpreted type, contours) from 8 on."""
    path = made.structure_set(folder, volume)
    data = pydicom.dcmread(path)
    observed = [made.item(ObservationNumber=7, ReferencedROINumber=7, RTROIInterpretedType=lesion_kind)]
    for number, (name, kind, contours) in enumerate(regions, 8):
        data.StructureSetROISequence.append(made.item(ROINumber=number, ROIName=name))
        data.ROIContourSequence.append(made.item(ReferencedROINumber=number, ContourSequence=contours))
        observed.append(made.item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=kind))
    data.RTROIObservationsSequence = Sequence(observed)
    data.save_as(path)
    return path


def spans(found: Matched, volume: Volume) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(box.label, box.start, box.stop) for box in found.boxes[volume.source.key]]


def points(volume: Volume, count: int = 1) -> list[pydicom.Dataset]:
    return [contour(volume, "POINT", [(30 + 5 * n, 40)], 2) for n in range(count)]


@pytest.mark.parametrize("kind", ["", "GTV", "PTV", "ORGAN"])
@pytest.mark.parametrize(
    ("name", "other", "code"),
    [
        ("ISO", "ISOCENTER", "no-lesion"),
        ("Ref", "MARKER", "point"),
        ("Ref", "", "point"),
        ("BODY", "EXTERNAL", "no-lesion"),
        ("BODY", "", "no-lesion"),
        ("Z_External", "", "no-lesion"),
        ("Couch", "SUPPORT", "no-lesion"),
        ("", "ORGAN", "no-lesion"),
    ],
)
def test_what_is_no_lesion_is_passed_over_with_a_note(
    tmp_path: Path, ct: Volume, kind: str, name: str, other: str, code: str
) -> None:
    drawn = points(ct, 2) if code == "point" or other == "ISOCENTER" else [contour(ct, "CLOSED_PLANAR", SQUARE, 3)]
    found = read_annotations(written(tmp_path, ct, (name, other, drawn), lesion_kind=kind), [ct])
    assert spans(found, ct) == [("lesion", LESION.start, LESION.stop)]
    assert found.unmatched_annotations[0].startswith(f"{code}: 1 (structure set 0, region 8)")
    assert not found.withheld


def test_several_points_in_one_contour_are_no_outline(tmp_path: Path, ct: Volume) -> None:
    several = contour(ct, "POINT", [(30, 40), (50, 60)], 2)
    found = read_annotations(written(tmp_path, ct, ("Seeds", "MARKER", [several])), [ct])
    assert spans(found, ct) == [("lesion", LESION.start, LESION.stop)]


@pytest.mark.parametrize("kind", ["GTV", "CTV", "PTV"])
def test_a_target_of_a_single_point_withholds(tmp_path: Path, ct: Volume, kind: str) -> None:
    found = read_annotations(written(tmp_path, ct, ("Met", kind, points(ct))), [ct])
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("no-extent: 1 (structure set 0, region 8)")


def test_a_set_of_nothing_but_points_withholds(tmp_path: Path, ct: Volume) -> None:
    """Somebody's marks of nodules: nothing else says where a lesion is, or how far it reaches."""
    path = written(tmp_path, ct)
    data = pydicom.dcmread(path)
    data.ROIContourSequence[0].ContourSequence = Sequence(points(ct))
    data.save_as(path)
    assert read_annotations(path, [ct]).withheld == {ct.source.key}


def test_a_region_without_a_name_is_kept_under_its_number(tmp_path: Path, ct: Volume) -> None:
    drawn = [contour(ct, "CLOSED_PLANAR", [(40, 40), (44, 40), (44, 48), (40, 48)], 3)]
    for kind in ("", "GTV"):
        found = read_annotations(written(tmp_path, ct, ("", kind, drawn)), [ct])
        assert ("region-8", (3, 40, 40), (4, 48, 44)) in spans(found, ct)


@pytest.mark.parametrize("change", ["name", "numbers"])
def test_a_region_that_can_not_be_used_withholds(tmp_path: Path, ct: Volume, change: str) -> None:
    drawn = [contour(ct, "CLOSED_PLANAR", SQUARE, 3)]
    if change == "numbers":
        drawn[0].ContourData = drawn[0].ContourData[:-1]
    path = written(tmp_path, ct, ("a\tb" if change == "name" else "b", "", drawn))
    found = read_annotations(path, [ct])
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("bad-entry: 1 (structure set 0, region 8")


def test_an_outline_in_the_wrong_frame_withholds(tmp_path: Path, ct: Volume) -> None:
    """It names a slice and lies in its plane, but nowhere on it."""
    far: list[tuple[float, float]] = [(x + 500, y) for x, y in SQUARE]
    found = read_annotations(written(tmp_path, ct, ("b", "", [contour(ct, "CLOSED_PLANAR", far, 3)])), [ct])
    assert found.withheld == {ct.source.key}


def test_a_region_by_position_that_reaches_far_beyond_the_slices_withholds(tmp_path: Path, ct: Volume) -> None:
    """Half of it lies on the image: in another unit, or another frame."""
    drawn = contour(ct, "CLOSED_PLANAR", [(x + 300 * (n % 2), y) for n, (x, y) in enumerate(SQUARE)], 3)
    del drawn.ContourImageSequence
    found = read_annotations(written(tmp_path, ct, ("b", "", [drawn])), [ct])
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("beyond: 1")


def test_a_region_beside_the_volume_by_position_is_no_fault(tmp_path: Path, ct: Volume) -> None:
    def unnamed(item: Any) -> Any:
        del item.ContourImageSequence
        item.ContourData = [f"{x:.6f}" for x in made.world(ct, SQUARE, 40).ravel()]
        return item

    found = read_annotations(written(tmp_path, ct, ("b", "", [unnamed(contour(ct, "CLOSED_PLANAR", SQUARE, 3))])), [ct])
    assert spans(found, ct) == [("lesion", LESION.start, LESION.stop)]
    assert not found.withheld
