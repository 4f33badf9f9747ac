"""`medaug export --to fiftyone`, imported by FiftyOne itself: in an environment of its own, with its database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.dataset_export import export, pictured

PYTHON = Path(sys.prefix, "fiftyone", "bin", "python")  # as `make test-fiftyone` lays it
IMPORT = """
import json, sys
import fiftyone as fo

data = fo.Dataset.from_dir(sys.argv[1], fo.types.FiftyOneImageDetectionDataset, progress=False)
data.compute_metadata(num_workers=1, progress=False)
said = [
    {
        "file": sample.filepath,
        "size": [sample.metadata.width, sample.metadata.height],
        "boxes": [[one.label, list(one.bounding_box)] for one in sample.ground_truth.detections],
        "about": [[one["unit"], one["source"], one["patient"], one["fold"]] for one in sample.ground_truth.detections],
    }
    for sample in data
]
found = data.filter_labels("ground_truth", fo.ViewField("label") == "tumour")
said = {"classes": data.default_classes, "samples": said, "tumours": found.count("ground_truth.detections")}
print("SAID " + json.dumps(said))
"""

pytestmark = [
    pytest.mark.fiftyone,
    pytest.mark.skipif(not PYTHON.exists(), reason="no FiftyOne beside this environment: make test-fiftyone"),
]


def imported(folder: Path, home: Path) -> Any:
    """What FiftyOne finds in a folder; its database and its settings lie in ``home``, and it calls nobody."""
    settings = {
        "FIFTYONE_CONFIG_PATH": str(home / "config.json"),
        "FIFTYONE_DATABASE_DIR": str(home / "database"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
        "HOME": str(home),
        "no_proxy": "*",
    }
    command = [str(PYTHON), "-c", IMPORT, str(folder)]
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, timeout=240, check=False, cwd=home
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = next(line for line in done.stdout.splitlines() if line.startswith("SAID "))
    return json.loads(said.removeprefix("SAID "))


def test_fiftyone_imports_pictures_boxes_and_what_joins_them_with_output(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert export(sound / "out", "--to", "fiftyone", "-o", folder).exit_code == 0
    said = imported(folder, tmp_path)
    expected = pictured(sound / "out")
    assert {Path(one["file"]).stem for one in said["samples"]} == expected.keys()
    for one in said["samples"]:
        path = Path(one["file"])
        assert path.parent == folder / "data"
        with Image.open(path) as picture:
            assert tuple(one["size"]) == picture.size
        scale = np.array(one["size"] * 2)
        found = [(label, tuple(np.rint(box * scale).astype(int).tolist())) for label, box in one["boxes"]]
        assert found == expected[path.stem]
        assert {unit[:16] for unit, _, _, _ in one["about"]} == {path.stem[:16]}
        assert all(source and patient and fold in range(5) for _, source, patient, fold in one["about"])
    labels = [label for boxes in expected.values() for label, _ in boxes]
    assert said["classes"] == sorted(set(labels))
    assert 0 < said["tumours"] == labels.count("tumour") < len(labels)
