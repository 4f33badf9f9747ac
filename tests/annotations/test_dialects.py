"""What only some formats have: turned boxes, run-lengths, points without extent, contours beside their image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pycocotools import mask as cocomask
from pydicom.dataelem import DataElement

from medaug.annotations.readers.coco_rle import span
from medaug.annotations.registry import read_annotations
from medaug.annotations.shapes import extent
from medaug.errors import AnnotationError
from medaug.imaging.volume import Volume
from tests.support import annotation_objects as made
from tests.support import make
from tests.support.annotation_cases import LESION, loaded, named, oblique, refusal


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    return loaded(make.series(tmp_path / "ct", orientation=oblique(5)))


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_have_the_box_that_pycocotools_finds(seed: int) -> None:
    numbers = np.random.default_rng(seed)
    drawn = np.zeros((int(numbers.integers(1, 40)), int(numbers.integers(1, 40))), dtype=np.uint8)
    drawn[tuple(numbers.integers(0, drawn.shape))] = 1
    drawn |= (numbers.random(drawn.shape) < numbers.choice([0.01, 0.3, 0.99])).astype(np.uint8)
    packed = cocomask.encode(np.asfortranarray(drawn))
    x, y, w, h = cocomask.toBbox(packed).tolist()
    flat = drawn.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    plain = np.diff(np.concatenate([[0], edges])).tolist()
    for counts in (packed["counts"].decode(), plain):
        assert span({"size": list(drawn.shape), "counts": counts}, "x") == ((x, y), (x + w, y + h))


@pytest.mark.parametrize(
    "encoded",
    [
        {"size": [2, 2], "counts": [4]},
        {"size": [2, 2], "counts": [1, 2]},
        {"size": [2, 2], "counts": [1, -2, 5]},
        {"size": [2, 2], "counts": [0, float("inf")]},
        {"size": [2], "counts": [0, 4]},
        {"size": [2, 2], "counts": "\x7f"},
        {"size": [2, 2], "counts": "o" * 100},
        {"size": [2, 2], "counts": "P"},
        {"size": [2, 2]},
        {"size": [10**9, 10**9], "counts": [0, 1]},
    ],
)
def test_bad_run_lengths_are_refused(encoded: dict[str, Any]) -> None:
    with pytest.raises(AnnotationError, match="expected"):
        span(encoded, "annotation 0")


@pytest.mark.parametrize("angle", [0, 30, 77, 90])
def test_an_ellipse_s_box_holds_it_and_touches_it(angle: float) -> None:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[c, -s], [s, c]])
    ends = np.array([[-9, 0], [9, 0], [0, -3], [0, 3]]) @ turn.T + [50, 60]
    t = np.linspace(0, 2 * np.pi, 3601)
    curve = np.stack([9 * np.cos(t), 3 * np.sin(t)], axis=1) @ turn.T + [50, 60]
    found = extent("ELLIPSE", ends, "x")
    assert found is not None
    np.testing.assert_allclose(found, (curve.min(axis=0), curve.max(axis=0)), atol=1e-4)


def test_a_line_is_a_diameter_and_a_point_is_nothing() -> None:
    found = extent("POLYLINE", [[10, 10], [20, 10]], "x")
    assert found is not None
    assert [list(corner) for corner in found] == [[10, 5], [20, 15]]
    assert extent("POINT", [[1, 1]], "x") is None
    with pytest.raises(AnnotationError, match="graphic type"):
        extent("SPIRAL", [[1, 1], [2, 2]], "x")


def test_an_interpolated_curve_s_box_holds_its_bulge() -> None:
    """A Catmull-Rom spline through the points, sampled."""
    points = np.random.default_rng(3).uniform(0, 100, (12, 2))
    p0, p1, p2, p3 = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = np.linspace(0, 1, 50)[None, :, None]
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    found = extent("INTERPOLATED", points, "x")
    assert found is not None
    assert (curve.min(axis=(0, 1)) >= found[0]).all()
    assert (curve.max(axis=(0, 1)) <= found[1]).all()
    assert curve.min() < points.min() or curve.max() > points.max()


def test_contours_without_an_image_go_by_position(tmp_path: Path, ct: Volume) -> None:
    (box,) = read_annotations(made.structure_set(tmp_path, ct, images=False), [ct]).boxes[ct.source.key]
    assert (box.start, box.stop, box.label) == (LESION.start, LESION.stop, "lesion")


def test_a_contour_of_more_than_64_kib_is_read(tmp_path: Path, ct: Volume) -> None:
    """Its VR is UN then, as PS3.5 6.2.2 has it for values that DS is too short for."""
    path = made.structure_set(tmp_path, ct)
    dataset = pydicom.dcmread(path)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    text = "\\".join(str(x) for x in list(contour.ContourData) * 700).encode()
    assert len(text) > 1 << 16
    contour["ContourData"] = DataElement(0x30060050, "UN", text + b" " * (len(text) % 2))
    dataset.save_as(path)
    (box,) = read_annotations(path, [ct]).boxes[ct.source.key]
    assert (box.start, box.stop) == (LESION.start, LESION.stop)


def test_a_contour_beside_the_slice_that_it_names_withholds_the_series(tmp_path: Path, ct: Volume) -> None:
    path = made.structure_set(tmp_path, ct, image=ct.source.instance_uids[4])
    found = read_annotations(path, [ct])
    assert found.boxes == {}
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("grid-differs: 1 (structure set 0, region 7)")


def test_a_contour_of_a_slice_that_is_not_here_is_no_fault(tmp_path: Path, ct: Volume) -> None:
    path = made.structure_set(tmp_path, ct, image="2.25.1")
    found = read_annotations(path, [ct])  # the object refers to the series, its only contour to another slice
    assert found.boxes == {ct.source.key: ()}
    assert not found.withheld


@pytest.mark.parametrize("name", ["report", "presentation point", "presentation on the screen"])
def test_a_point_withholds_its_image(tmp_path: Path, ct: Volume, name: str) -> None:
    if name == "report":
        path = made.report(tmp_path, ct, made.flat(ct, "POINT", [(17.5, 25.5)]))
    elif name == "presentation point":
        path = made.presentation_state(tmp_path, ct, kind="POINT")
    else:
        path = made.presentation_state(tmp_path, ct, units="DISPLAY")
    found = read_annotations(path, [ct])
    assert found.boxes == {}
    assert found.withheld == {ct.source.key}
    assert found.unmatched_annotations[0].startswith("no-extent: 1")


def test_an_image_of_several_frames_is_withheld_by_a_report(tmp_path: Path, ct: Volume) -> None:
    """Frame numbers are not slices: frames may be stored in any order."""
    path = made.report_2d(tmp_path, ct)
    uid = ct.source.instance_uids[2]
    enhanced = replace(ct, source=replace(ct.source, instance_uids=(uid,) * 6))
    found = read_annotations(path, [enhanced])
    assert found.withheld == {enhanced.source.key}


@pytest.mark.parametrize("share", [0.5, 0.7, 0.8, 0.9, 0.999])
@pytest.mark.parametrize("write", [made.structure_set, made.report_2d, made.presentation_state])
def test_a_damaged_object_is_an_annotation_error(tmp_path: Path, ct: Volume, write: Any, share: float) -> None:
    path = write(tmp_path, ct)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(AnnotationError, match=r"expected|can.t be parsed|incomplete") as caught:
        read_annotations(path, [ct])
    assert str(tmp_path) not in str(caught.value)


def test_an_object_may_end_in_an_empty_element(tmp_path: Path, ct: Volume) -> None:
    """As after a de-identification, which empties the reviewer's name."""
    path = made.structure_set(tmp_path, ct)
    expected = read_annotations(path, [ct]).boxes
    ds = pydicom.dcmread(path)
    ds.ReviewerName = ""
    ds.save_as(path)
    assert read_annotations(path, [ct]).boxes == expected
    assert expected[ct.source.key]


def test_luna_s_cube_lies_around_its_centre(tmp_path: Path, ct: Volume) -> None:
    """A ball of 4 mm in the oblique grid: every voxel centre inside it lies in the box."""
    centre = ct.geometry.to_world((3, 30.2, 20.7))
    x, y, z = centre.tolist()
    (tmp_path / "a.csv").write_text(
        f"seriesuid,coordX,coordY,coordZ,diameter_mm\n{ct.source.series_uid},{x},{y},{z},4\n2.25.9,0,0,0,5\n"
    )
    found = read_annotations(tmp_path / "a.csv", [ct])
    (box,) = found.boxes[ct.source.key]
    voxels = np.argwhere(np.ones(ct.geometry.shape))
    inside = voxels[np.linalg.norm(ct.geometry.to_world(voxels) - centre, axis=1) <= 2]
    assert len(inside) > 10
    assert ((inside >= box.start) & (inside < box.stop)).all()
    # a cube reaches at most sqrt(3) times its half side along any axis, and rounding outward adds a voxel
    assert (np.array(box.shape) <= 4 * np.sqrt(3) / np.array(ct.geometry.spacing) + 2).all()
    assert box.label == "nodule"
    assert found.unmatched_annotations[0].startswith("no-image: 1 (line 3)")


CVAT = '<annotations><image id="0" name="a.png" width="48" height="64"><box label="m" {}/></image></annotations>'


def test_turned_boxes_become_the_box_around_them(tmp_path: Path) -> None:
    """A quarter turn swaps the sides: about the centre in CVAT, about the upper left corner in Label Studio."""
    volume = named("a.png")
    sides = 'xtl="10" ytl="20" xbr="20" ybr="24" rotation="90"'
    (tmp_path / "a.xml").write_text(CVAT.format(sides))
    (box,) = read_annotations(tmp_path / "a.xml", [volume]).boxes[volume.source.key]
    assert (box.start, box.stop) == ((0, 17, 13), (1, 27, 17))
    value = {"x": 2000 / 48, "y": 2000 / 64, "width": 1000 / 48, "height": 400 / 64, "rotation": 90}
    shape = {
        "type": "rectanglelabels",
        "original_width": 48,
        "original_height": 64,
        "value": {**value, "rectanglelabels": ["m"]},
    }
    (tmp_path / "a.json").write_text(
        json.dumps([{"data": {"image": "x/a.png"}, "annotations": [{"result": [shape, {"type": "choices"}]}]}])
    )
    (box,) = read_annotations(tmp_path / "a.json", [volume]).boxes[volume.source.key]
    assert (box.start, box.stop) == ((0, 20, 16), (1, 30, 20))


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("doe.xml", "<annotations><track/></annotations>", "CVAT file: expected images"),
        ("doe.xml", CVAT.replace("a.png", "doe.png").format('xtl="1"'), "image 0, shape 0: expected"),
        (
            "doe.xml",
            CVAT.replace("a.png", "doe.png").replace("box", "points").format('points="1,2"'),
            "image 0, shape 0: expected a box",
        ),
        (
            "doe.json",
            '{"shapes": [{"label": "m", "shape_type": "point", "points": [[1, 2]]}]}',
            "LabelMe file 0, shape 0",
        ),
        ("doe.json", '{"shapes": [{"label": "m", "points": [[1, 2], [1]]}]}', "LabelMe file 0, shape 0"),
        ("doe.json", '[{"data": {"image": "doe.png"}}]', "task 0: expected an object with 'annotations'"),
        ("doe.json", '[{"data": "doe", "annotations": []}]', "task 0: expected"),
        ("doe.mrk.json", '{"markups": [{"type": "ROI"}]}', "markups file 0, markup 0: expected coordinateSystem"),
        (
            "doe.mrk.json",
            '{"markups": [{"type": "ROI", "coordinateSystem": "LPS", "center": [1]}]}',
            "markups file 0, markup 0: expected 3 numbers",
        ),
        ("doe.mrk.json", '{"markups": [{"type": "Doe", "coordinateSystem": "LPS"}]}', "markups file 0, markup 0"),
        ("doe.csv", "seriesuid,coordX\n", "line 1: expected the columns"),
        ("doe.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3,4,Doe\n", "line 2: expected a number"),
        ("doe.csv", "seriesuid,coordX,coordY,coordZ,diameter_mm\n1,2,3\n", "line 2: expected a number"),
    ],
)
def test_the_error_says_where_and_holds_no_content(tmp_path: Path, name: str, content: str, where: str) -> None:
    (tmp_path / name).write_text(content)
    whole = where.startswith(("CVAT file", "task 0", "line 1"))
    volume = named("doe.png")
    volume = replace(volume, source=replace(volume.source, series_uid="1"))
    sentence = refusal(tmp_path / name, volume, whole=whole)
    assert sentence.startswith(where)
    assert "doe" not in sentence.lower()


def test_slicer_s_curve_and_point(tmp_path: Path, ct: Volume) -> None:
    points = made.world(ct, [(12, 22), (23, 22), (23, 29), (12, 29)])
    for kind in ("ClosedCurve", "Fiducial"):
        markup = {
            "type": kind,
            "coordinateSystem": "LPS",
            "controlPoints": [{"position": p} for p in points.tolist()],
        }
        (tmp_path / "a.mrk.json").write_text(json.dumps({"markups": [markup]}))
        found = read_annotations(tmp_path / "a.mrk.json", [ct])
        if kind == "Fiducial":
            assert found.withheld == {ct.source.key}
            continue
        (box,) = found.boxes[ct.source.key]
        assert (box.start, box.stop) == ((2, 20, 10), (3, 31, 25))  # the points reach from 12 to 23; a sixth each side
