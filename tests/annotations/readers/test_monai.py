"""MONAI datalists: its box modes, image or patient space, and which image is meant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medaug.annotations.readers.monai import MODES
from medaug.annotations.registry import Matched, detect, read_annotations
from medaug.formats.nifti import read_nifti, write_nifti
from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_cases import LESION, loaded, named, refusal, slices_of

XYZ = np.array([10, 20, 2, 25, 31, 3])  # LESION


def write(folder: Path, items: list[dict[str, Any]], **keys: Any) -> Path:
    (folder / "list.json").write_text(json.dumps({"training": items, **keys}))
    return folder / "list.json"


def only(found: Matched, volume: Volume) -> tuple[tuple[int, ...], tuple[int, ...]]:
    (box,) = found.boxes[volume.source.key]
    return box.start, box.stop


@pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_monai_s(mode: str) -> None:
    from monai.data.box_utils import convert_box_mode

    rng = np.random.default_rng(3)
    size = len(mode) // 2
    low = rng.uniform(0, 50, (5, size))
    corners = np.concatenate([low, low + rng.uniform(1, 50, (5, size))], axis=1)
    theirs = convert_box_mode(corners, src_mode={2: "xyxy", 3: "xyzxyz"}[size], dst_mode=mode)
    for numbers, expected in zip(np.asarray(theirs), corners, strict=True):
        np.testing.assert_allclose(np.concatenate(MODES[mode](numbers)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "box"),
    [
        ("xyzxyz", XYZ),
        ("xxyyzz", XYZ[[0, 3, 1, 4, 2, 5]]),
        ("xyxyzz", XYZ[[0, 1, 3, 4, 2, 5]]),
        ("xyzwhd", [10, 20, 2, 15, 11, 1]),
        ("cccwhd", [17.5, 25.5, 2.5, 15, 11, 1]),
    ],
)
def test_a_stated_mode_is_followed(tmp_path: Path, mode: str, box: Any) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    item = {"image": "ct", "box": [np.asarray(box).tolist()], "label": [0]}
    path = write(tmp_path, [item], box_mode=mode, labels={"0": "nodule"})
    assert detect(path) == "monai"
    found = read_annotations(path, [volume])
    assert only(found, volume) == (LESION.start, LESION.stop)
    assert found.boxes[volume.source.key][0].label == "nodule"


@pytest.mark.parametrize(("space", "sign"), [("LPS", (1, 1, 1)), ("RAS", (-1, -1, 1))])
def test_boxes_in_patient_space_hold_the_lesion(tmp_path: Path, space: str, sign: tuple[int, int, int]) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    edges = volume.geometry.to_world(np.array([LESION.start, LESION.stop]) - 0.5) * sign
    low, high = edges.min(axis=0), edges.max(axis=0)
    inner = [*(low + 1e-3), *(high - 1e-3)]
    path = write(tmp_path, [{"image": "ct", "box": [inner], "label": [4]}], box_space=space)
    found = read_annotations(path, [volume])
    assert only(found, volume) == (LESION.start, LESION.stop)
    assert found.boxes[volume.source.key][0].label == "class-4"


def test_a_nifti_is_meant_by_its_name_and_the_axes_are_the_array_s(tmp_path: Path) -> None:
    volume = replace(make.volume((4, 30, 20), dtype=np.int16), padding=None)
    (tmp_path / "imagesTr").mkdir()
    write_nifti(volume, tmp_path / "imagesTr" / "case1.nii.gz")
    read = read_nifti(tmp_path / "imagesTr" / "case1.nii.gz")
    item = {"image": "imagesTr/case1.nii.gz", "box": [[3, 5, 1, 8, 9, 3]], "label": [0]}
    other = {"image": "imagesTr/case2.nii.gz", "box": [[3, 5, 1, 8, 9, 3]], "label": [0]}
    found = read_annotations(write(tmp_path, [item, other]), [read])
    assert only(found, read) == ((1, 5, 3), (3, 9, 8))
    assert found.unmatched_annotations[0].startswith("no-image: 1 (training 1)")


def test_radiographs_by_file_and_nothing_found(tmp_path: Path) -> None:
    a, b = named("a.png", seed=1), named("b.png", seed=2)
    items = [
        {"image": "x/a.png", "box": [[3, 5, 8, 9], [1, 1, 2, 2]], "label": [0, 1]},
        {"image": "x/b.png", "box": [], "label": []},
    ]
    found = read_annotations(write(tmp_path, items), [a, b])
    assert [(x.start, x.stop) for x in found.boxes[a.source.key]] == [((0, 1, 1), (1, 2, 2)), ((0, 5, 3), (1, 9, 8))]
    assert found.boxes[b.source.key] == ()


def test_a_folder_must_be_the_one_that_is_stated(tmp_path: Path) -> None:
    volume = loaded(make.series(tmp_path / "p2" / "image"))
    item = {"image": "p1/image", "box": [XYZ.tolist()], "label": [0]}
    found = read_annotations(write(tmp_path, [item]), [volume])
    assert found.boxes == {}
    assert found.unmatched_annotations[0].startswith("no-image: 1")
    item["image"] = "p2/image"
    assert only(read_annotations(write(tmp_path, [item]), [volume]), volume) == (LESION.start, LESION.stop)


def test_a_folder_of_two_series_is_withheld(tmp_path: Path) -> None:
    one, two = (loaded(make.series(tmp_path / str(n), seed=n)) for n in (1, 2))
    two = replace(two, source=replace(two.source, files=one.source.files))
    found = read_annotations(write(tmp_path, [{"image": "1", "box": [XYZ.tolist()], "label": [0]}]), [one, two])
    assert found.boxes == {}
    assert found.withheld == {one.source.key, two.source.key}
    assert found.unmatched_annotations[0].startswith("several-images: 1")


def test_a_box_over_several_slices_is_one_on_each_slice_that_is_a_volume(tmp_path: Path) -> None:
    whole = loaded(make.series(tmp_path / "ct"))
    slices = slices_of(whole)
    item = {"image": "ct", "box": [[10, 20, 2, 25, 31, 4]], "label": [0]}
    found = read_annotations(write(tmp_path, [item]), slices[::-1])
    assert [k for k, v in enumerate(slices) if found.boxes.get(v.source.key)] == [2, 3]
    assert only(found, slices[3]) == ((0, 20, 10), (1, 31, 25))


def test_a_flat_box_on_a_stack_is_withheld_and_one_outside_too(tmp_path: Path) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    item: dict[str, Any] = {"image": "ct", "box": [[10, 20, 25, 31]], "label": [0]}
    found = read_annotations(write(tmp_path, [item]), [volume])
    assert found.withheld == {volume.source.key}
    assert found.unmatched_annotations[0].startswith("slice-not-stated: 1")
    item["box"] = [[10, 20, 90, 25, 31, 92]]
    found = read_annotations(write(tmp_path, [item]), [volume])
    assert found.withheld == {volume.source.key}
    assert [sentence.partition(":")[0] for sentence in found.unmatched_annotations] == ["outside", "other-frame"]


def test_the_axes_that_an_item_states_are_followed(tmp_path: Path) -> None:
    """As medaug lists multi-frame images, which MONAI's reader gives as [row, frame, column]."""
    volume = loaded(make.series(tmp_path / "ct"))
    item = {"image": "ct", "box": [[20, 2, 10, 31, 3, 25]], "label": [0], "medaug": {"axes": "row slice column"}}
    assert only(read_annotations(write(tmp_path, [item]), [volume]), volume) == (LESION.start, LESION.stop)
    item["medaug"] = {"axes": "row row column"}
    assert "axes made of column row slice" in refusal(write(tmp_path, [item]), volume, whole=False)


@pytest.mark.parametrize(
    ("item", "keys", "message"),
    [
        ({"image": ["a", "b"]}, {}, "one path for 'image'"),
        ({"image": "a", "label": [0]}, {}, "an object with 'box'"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": []}, {}, "0 for 1"),
        ({"image": "a", "box": [[1, 1, 2]], "label": [0]}, {}, "4 or 6 numbers"),
        ({"image": "a", "box": [[5, 5, 2, 2]], "label": [0]}, {}, "State box_mode"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0]}, {"box_mode": "xyzxyz"}, "a box_mode of"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0]}, {"box_mode": ["xyxy"]}, "a box_mode of"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0.5]}, {}, "a whole number"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0]}, {"box_space": "voxel"}, "a box_space of"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0]}, {"labels": ["x"]}, "expected labels as"),
        ({"image": "a", "box": [[1, 1, 2, 2]], "label": [0]}, {"labels": {"0": 7}}, "a label's name"),
    ],
)
def test_what_is_no_datalist_is_refused(
    tmp_path: Path, item: dict[str, Any], keys: dict[str, Any], message: str
) -> None:
    whole = message not in ("4 or 6 numbers", "a whole number", "a label's name")
    assert message in refusal(write(tmp_path, [item], **keys), named("a.png"), whole=whole)


def test_one_box_in_another_frame_puts_all_of_its_list_in_doubt(tmp_path: Path) -> None:
    """Millimetres where voxels are expected: some lie inside the image by chance, on the wrong voxels."""
    a, b = named("a.png", shape=(6, 64, 64)), named("b.png", shape=(6, 64, 64), seed=1)
    inside, outside = [10, 20, 2, 25, 31, 4], [-80, -120, -300, -70, -110, -290]
    items = [{"image": f"{n}.png", "box": [box], "label": [0]} for n, box in (("a", inside), ("b", outside))]
    found = read_annotations(write(tmp_path, items), [a, b])
    assert found.boxes == {}
    assert found.withheld == {a.source.key, b.source.key}
    stated = read_annotations(write(tmp_path, items, box_mode="xyzxyz", box_space="image"), [a, b])
    assert list(stated.boxes) == [a.source.key]
    assert stated.withheld == {b.source.key}
