"""Any trainer that takes a YOLO data set: pictures and labels are written, its predictions are read as COCO results.

The data set in {data} (data.yaml) has the images of the training in ``train``, validation in ``val``, and what boxes
are to be found on in ``test``, without labels. The trainer writes ``predictions.json`` in {project}: COCO results whose
``image_id`` is a picture's name without its suffix, with ``bbox`` in px of that picture and ``category_id`` from 1.
It may write ``curve.json`` beside it, a list of {"step", "box_loss", "objectness_loss", "ap50"}.

{seed}, {steps} and {stage} may stand in the command, too. Pretraining is two stages with one {project}: the second goes
on from what the first left there.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medaug.benchmark.detectors.detector import Point, Speed, Task, Trained
from medaug.benchmark.evaluation import Boxes, from_data
from medaug.benchmark.images.dataset import Picture
from medaug.errors import RunError
from medaug.manifests.rendering import write_png
from medaug.storage.plain_files import read_plain

PREDICTIONS, CURVE = "predictions.json", "curve.json"
SEEDS = 2**31  # what every trainer can take: numpy's older generators know 32 bits, a C int 31
SAID = 400  # characters of what a failed command said last


class Command:
    """A trainer of the user's, started once for each training; it sees no label of the test images."""

    def __init__(self, command: str, folder: Path, classes: tuple[str, ...]) -> None:
        if "{data}" not in command or "{project}" not in command:
            raise RunError(
                "benchmark: the detector 'command' needs --detector-command with {data} and {project} in it, such as "
                "\"python train.py --data {data} --weights '' --project {project} --seed {seed}\""
            )
        self._command, self._folder, self._classes = command, folder, classes

    @property
    def name(self) -> str:
        """As on the command line."""
        return "command"

    @property
    def speed(self) -> Speed:
        """Unknown; the first training tells."""
        return Speed(0.0, 0.0)

    @property
    def identity(self) -> dict[str, str]:
        """The command itself; what it starts is the user's to keep."""
        return {"command": self._command}

    def train(self, task: Task) -> Trained:
        """Write the data set, run the command, read its predictions.

        Raises:
            RunError: it failed, or left no predictions that can be read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._folder) as place:
            root, project = Path(place), Path(place) / "project"
            project.mkdir()
            for number, stage in enumerate(task.stages):
                steps = str(round(stage.share * task.steps))
                data = self._write(root / f"stage{number}", stage.pictures, task)
                given = {"data": str(data), "project": str(project), "seed": str(task.seed % SEEDS), "steps": steps}
                self._run(given | {"stage": str(number)})
            return _read(project, len(task.targets))

    def _write(self, folder: Path, training: Sequence[Picture], task: Task) -> Path:
        for part, pictures in (("train", training), ("val", task.validation), ("test", task.targets)):
            images, labels = folder / "images" / part, folder / "labels" / part
            for one in (images, labels):
                one.mkdir(parents=True)
            for number, picture in enumerate(pictures):
                write_png(picture.pixels, images / f"{number:05}.png")
                if part != "test":
                    (labels / f"{number:05}.txt").write_text(_lines(picture), encoding="utf-8")
        names = "".join(f"  {n}: {json.dumps(name)}\n" for n, name in enumerate(self._classes))
        path = folder / "data.yaml"
        parts = "train: images/train\nval: images/val\ntest: images/test\n"
        path.write_text(f"path: {json.dumps(str(folder))}\n{parts}names:\n{names}", encoding="utf-8")
        return path

    def _run(self, given: dict[str, str]) -> None:
        words = shlex.split(self._command)
        for key, value in given.items():
            words = [word.replace(f"{{{key}}}", value) for word in words]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - the user's own command
        if done.returncode:
            raise RunError(f"benchmark: the detector's command ended with {done.returncode}: {done.stderr[-SAID:]}")


def _lines(picture: Picture) -> str:
    """Class, centre and sides as shares of the square, a line a box."""
    side = len(picture.pixels)
    each = zip(picture.boxes.corners / side, picture.boxes.classes, strict=True)
    return "".join(
        f"{category} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n"
        for (x0, y0, x1, y1), category in each
    )


def _read(project: Path, count: int) -> Trained:
    names = [f"{number:05}" for number in range(count)]
    try:
        found: dict[str, Boxes] = from_data(json.loads(read_plain(project / PREDICTIONS)), names)
        told: list[dict[str, Any]] = json.loads(read_plain(project / CURVE)) if (project / CURVE).exists() else []
        curve = tuple(Point(p["step"], *(p.get(key) for key in ("box_loss", "objectness_loss", "ap50"))) for p in told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"benchmark: the detector's command left no {PREDICTIONS} in {{project}} that can be read "
            f"({type(error).__name__}); expected COCO results whose image_id is a picture's name in images/test"
        ) from None
    return Trained(tuple(found[name] for name in names), curve)
