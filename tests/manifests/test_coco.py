from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medaug.audit.record import Grid, Output, Record
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.manifests.coco import write_coco
from tests.support.records import digest, failed, record

AFFINE = np.diag([3.0, 1.0, 1.0, 1.0])[:, [2, 1, 0, 3]]


def volume(name: str = "a", *, nifti: bool = False) -> Record:
    built = record(name)
    names = ["image.nii.gz"] if nifti else [f"image/{k + 1:04d}.dcm" for k in range(5)]
    uids = tuple(f"1.2.826.0.1.1.{k}" for k in range(5))
    source = replace(built.source, instance_uids=uids, sha256=built.source.sha256 * 5)
    return replace(
        built,
        source=source,
        outputs=tuple(Output(f"{built.folder}/{n}", digest(n)) for n in names),
        boxes=(Box((1, 3, 9), (4, 8, 21), "nodule"), Box((3, 0, 0), (5, 2, 4), "cyst")),
        geometry=Grid.of(Geometry((5, 20, 30), AFFINE, "patient")),
    )


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_each_slice_of_a_box_is_an_image_with_its_file(tmp_path: Path) -> None:
    built = volume()
    images = content(write_coco([built], tmp_path))["images"]
    assert [image["slice"] for image in images] == [1, 2, 3, 4]
    assert [image["file_name"] for image in images] == [f"{built.folder}/image/{k + 1:04d}.dcm" for k in range(1, 5)]
    assert {(image["height"], image["width"]) for image in images} == {(20, 30)}


def test_nifti_slices_share_a_file_and_differ_by_index(tmp_path: Path) -> None:
    built = volume(nifti=True)
    images = content(write_coco([built], tmp_path))["images"]
    assert {image["file_name"] for image in images} == {f"{built.folder}/image.nii.gz"}
    assert [image["slice"] for image in images] == [1, 2, 3, 4]


def test_a_bbox_cuts_the_lesion_out_of_its_slice(tmp_path: Path) -> None:
    built = volume()
    stored = np.random.default_rng(1).integers(0, 9999, (5, 20, 30))
    result = content(write_coco([built], tmp_path))
    slices = {image["id"]: image["slice"] for image in result["images"]}
    names = {category["id"]: category["name"] for category in result["categories"]}
    for box in built.boxes:
        cut = {
            slices[a["image_id"]]: stored[slices[a["image_id"]], y : y + h, x : x + w]
            for a in result["annotations"]
            for x, y, w, h in [a["bbox"]]
            if names[a["category_id"]] == box.label
        }
        assert np.array_equal(np.stack([cut[k] for k in sorted(cut)]), stored[box.slices])


def test_categories_are_numbered_from_one_by_name(tmp_path: Path) -> None:
    result = content(write_coco([volume()], tmp_path))
    assert result["categories"] == [{"id": 1, "name": "cyst"}, {"id": 2, "name": "nodule"}]


def test_pycocotools_reads_it(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    path = write_coco([volume("a"), record("b"), failed("c"), volume("d", nifti=True)], tmp_path)
    loaded = coco.COCO(str(path))
    assert len(loaded.getImgIds()) == 4 + 1 + 4
    assert loaded.getCatIds(catNms=["nodule"]) == [2]
    shared = [number for number in loaded.getImgIds() if len(loaded.getAnnIds(imgIds=[number])) == 2]
    assert [loaded.loadImgs(number)[0]["slice"] for number in shared] == [3, 3]
    assert all(a["area"] == a["bbox"][2] * a["bbox"][3] for a in loaded.loadAnns(loaded.getAnnIds()))


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of pycocotools, with numpy 2
def test_pycocotools_draws_it_and_makes_masks_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    loaded = coco.COCO(str(write_coco([volume("a")], tmp_path)))
    marks = loaded.loadAnns(loaded.getAnnIds())
    for mark in marks:
        expected, (x, y, width, height) = np.zeros((20, 30), np.uint8), mark["bbox"]
        expected[y : y + height, x : x + width] = 1
        np.testing.assert_array_equal(loaded.annToMask(mark), expected)
    figure, axes = pyplot.subplots()
    state = np.random.get_state()  # noqa: NPY002 - colours are drawn from it
    loaded.showAnns(marks, draw_bbox=True)
    np.random.set_state(state)  # noqa: NPY002
    assert axes.collections
    pyplot.close(figure)


def test_the_order_of_records_does_not_matter(tmp_path: Path) -> None:
    records = [volume("a"), record("b"), volume("c")]
    first = write_coco(records, tmp_path).read_bytes()
    assert write_coco(records[::-1], tmp_path).read_bytes() == first
    assert write_coco(records[:2], tmp_path).read_bytes() != first


def test_nothing_written_is_an_empty_set(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    assert coco.COCO(str(write_coco([failed()], tmp_path))).getImgIds() == []


def test_frames_of_one_file_are_told_apart(tmp_path: Path) -> None:
    built = volume()
    source = replace(built.source, instance_uids=("1.2.3",) * 5, frames=(4, 2, 0, 1, 3))
    built = replace(built, source=source, outputs=(Output(f"{built.folder}/image/0001.dcm", digest("frames")),))
    images = content(write_coco([built], tmp_path))["images"]
    assert {image["file_name"] for image in images} == {f"{built.folder}/image/0001.dcm"}
    assert [(image["slice"], image["frame"]) for image in images] == [(k, k) for k in (1, 2, 3, 4)]
