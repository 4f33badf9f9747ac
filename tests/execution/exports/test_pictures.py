"""Pictures with boxes for FiftyOne and Hugging Face's `datasets`, read back as each documents it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.dataset_export import export, pictured

pytestmark = pytest.mark.filterwarnings("ignore")  # those of `datasets`


@pytest.fixture(scope="module", params=["fiftyone", "imagefolder"])
def folder(request: pytest.FixtureRequest, sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / request.param
    found = export(sound / "out", "--to", request.param, "-o", folder)
    assert found.exit_code == 0, found.output
    return folder


def test_fiftyone_finds_a_picture_and_its_boxes_in_shares_of_it(folder: Path, sound: Path) -> None:
    """Its documented layout, FiftyOneImageDetectionDataset; FiftyOne itself reads it in test_fiftyone.py."""
    if folder.name != "fiftyone":
        pytest.skip("another form")
    content = json.loads((folder / "labels.json").read_text())
    expected = pictured(sound / "out")
    assert content["labels"].keys() == expected.keys() == {path.stem for path in (folder / "data").iterdir()}
    assert content["classes"] == sorted({label for boxes in expected.values() for label, _ in boxes})
    for stem, detections in content["labels"].items():
        columns, rows = Image.open(folder / "data" / f"{stem}.png").size
        scale = np.array([columns, rows, columns, rows])
        found = [(d["label"], tuple(np.rint(d["bounding_box"] * scale).astype(int).tolist())) for d in detections]
        assert found == expected[stem]
        assert {d["attributes"]["unit"][:16] for d in detections} == {stem[:16]}


def test_datasets_loads_pictures_with_their_boxes(folder: Path, sound: Path, tmp_path: Path) -> None:
    if folder.name != "imagefolder":
        pytest.skip("another form")
    datasets = pytest.importorskip("datasets", reason="needs the extra medaug[exports]")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path), split="train")
    expected = pictured(sound / "out")
    assert len(loaded) == len(expected)
    found = {}
    for row in loaded:
        boxes = [tuple(map(int, box)) for box in row["objects"]["bbox"]]
        stem = next(s for s in expected if s.startswith(row["unit"][:16]) and s not in found)
        found[stem] = list(zip(row["objects"]["categories"], boxes, strict=True))
        assert np.array_equal(np.asarray(row["image"]), np.asarray(Image.open(folder / "train" / f"{stem}.png")))
        assert row["fold"] in range(5)
    assert found == expected
