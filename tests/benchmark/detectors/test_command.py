from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from medaug.benchmark.detectors.command import Command
from medaug.benchmark.detectors.detector import Task, TrainingPhase
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.dataset import Picture
from medaug.errors import RunError

# finds on every picture the first box that it was trained on; fails when it is shown labels of the test part
STUB = """
import json, sys
from pathlib import Path
import yaml
data, project, seed, steps = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
assert 0 < int(seed) < 2**31  # what any generator takes
told = yaml.safe_load(data.read_text())
root = Path(told["path"])
assert not list((root / "labels" / "test").iterdir()) and len(told["names"]) == 2
kind, x, y, w, h = map(float, (root / "labels" / "train" / "00000.txt").read_text().split()[:5])
box = [(x - w / 2) * 64, (y - h / 2) * 64, w * 64, h * 64]
names = sorted(path.stem for path in (root / told["test"]).iterdir())
found = [{"image_id": n, "category_id": int(kind) + 1, "bbox": box, "score": 0.5} for n in names]
(project / "predictions.json").write_text(json.dumps(found))
curve = project / "curve.json"
points = json.loads(curve.read_text()) if curve.exists() else []
curve.write_text(json.dumps([*points, {"step": steps, "box_loss": 0.25}]))
"""


def picture(left: float) -> Picture:
    corners = np.array([[left, 8.0, left + 16, 24.0]])
    return Picture(f"{left}", np.zeros((64, 64), np.uint8), Boxes.labelled(corners, np.ones(1, dtype=np.int64)))


TASK = Task(
    [TrainingPhase([picture(4), picture(6)], 0.5), TrainingPhase([picture(20)], 0.5)],
    10,
    2**62 + 3,
    [picture(1)],
    [picture(2)] * 3,
    2,
)


def detector(folder: Path, script: str) -> Command:
    (folder / "train.py").write_text(script)
    words = f"{sys.executable} {folder / 'train.py'} {{data}} {{project}} {{seed}} {{steps}}"
    return Command(words, folder / "cache", ("a", "b"))


def test_a_trainer_of_the_users_own_is_read_back_stage_by_stage(tmp_path: Path) -> None:
    trained = detector(tmp_path, STUB).train(TASK)
    assert len(trained.found) == 3
    assert trained.found[0].corners == pytest.approx(np.array([[20, 8, 36, 24]]), abs=1e-3)
    assert trained.found[0].classes.tolist() == [1]
    assert [(point.step, point.box_loss, point.ap50) for point in trained.curve] == [(5, 0.25, None), (5, 0.25, None)]
    assert not list((tmp_path / "cache").iterdir())


def test_a_trainer_that_fails_or_leaves_nothing_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="out of luck"):
        detector(tmp_path, "raise SystemExit('out of luck')").train(TASK)
    with pytest.raises(RunError, match=r"no predictions\.json"):
        detector(tmp_path, "").train(TASK)
    with pytest.raises(RunError, match="data"):
        Command("python train.py", tmp_path, ("a",))
