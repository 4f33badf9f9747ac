"""An annotation of an image that is there and isn't used says so; one of an image that isn't there says that."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

import medaug
from tests.support import make


def reasons(root: Path, annotations: Path, profile: str = "bone-xray") -> list[str]:
    planned = medaug.plan(root, profile=profile, annotations=annotations)
    return [sentence.split(" ")[0] for sentence in planned.unmatched]


def table(path: Path, *uids: str) -> Path:
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["sop_instance_uid", "x", "y", "width", "height", "label"])
        rows.writerows([uid, 10, 10, 8, 8, "lesion"] for uid in uids)
    return path


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A radiograph that is used, one with a name in it, and a CT, which the profile leaves out."""
    root = tmp_path / "in"
    make.radiograph(root, name="good.dcm")
    make.radiograph(root, name="named.dcm", identity_removed=False, seed=1)
    make.series(root / "ct", slices=3)
    return root


def uid(path: Path) -> str:
    return str(pydicom.dcmread(path).SOPInstanceUID)


def test_by_uid(export: Path, tmp_path: Path) -> None:
    slices = sorted((export / "ct").iterdir())
    assert reasons(export, table(tmp_path / "ct.csv", uid(slices[0]))) == ["left-out:"]
    assert reasons(export, table(tmp_path / "named.csv", uid(export / "named.dcm"))) == ["left-out:"]
    assert reasons(export, table(tmp_path / "other.csv", "2.25.1")) == ["no-image:"]
    assert reasons(export, table(tmp_path / "good.csv", uid(export / "good.dcm"))) == []


def test_by_name(export: Path, tmp_path: Path) -> None:
    for name, expected in (("named.dcm", ["left-out:"]), ("other.dcm", ["no-image:"]), ("good.dcm", [])):
        boxes = tmp_path / f"{name}.json"
        annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 8, 8]}
        image = {"id": 1, "file_name": name}
        boxes.write_text(
            json.dumps({"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "lesion"}]})
        )
        assert reasons(export, boxes) == expected


def test_a_segmentation(export: Path, tmp_path: Path) -> None:
    mask = np.zeros((3, 64, 64), dtype=np.uint8)
    mask[1, 20:30, 20:30] = 1
    seg = make.seg(tmp_path / "seg", sorted((export / "ct").iterdir()), mask, ["lesion"])
    assert reasons(export, seg) == ["left-out:"]
    assert reasons(export, seg, "body-ct") == []
    elsewhere = make.seg(tmp_path / "seg", make.series(tmp_path / "other", slices=3, seed=5), mask, ["lesion"])
    assert reasons(export, elsewhere) == ["no-image:"]


def test_a_series_that_is_no_volume(export: Path, tmp_path: Path) -> None:
    broken = make.series(export / "broken", slices=4, gap_at=2, seed=7)
    assert reasons(export, table(tmp_path / "t.csv", uid(broken[0])), "body-ct") == ["left-out:"]
    assert reasons(export, table(tmp_path / "t.csv", uid(min((export / "ct").iterdir()))), "body-ct") == []
