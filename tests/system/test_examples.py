"""The training examples on toys, by the command line of their docstring.

They run in this process: importing MONAI anew takes some 12 s of processor for each, the training of a toy less.
"""

from __future__ import annotations

import json
import math
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from monai.apps.detection.networks import retinanet_detector

import medaug.torch as torch_half
from medaug.formats.nifti import write_nifti
from medaug.imaging.volume import Rescale
from medaug.manifests.splits import fold_of
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.loops import SPACE, loop
from tests.support.records import digest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own
LINES = 40  # that a training example may have
SCRIPT_LINES = 20  # that a user's own needs
SOURCES = 4
HELD_OUT = [n for n in range(SOURCES) if fold_of(digest("patient", n)[:16]) == 0]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., list[str]]]:
    """Run an example; gives its lines. What it changes in MONAI and in the global random state is put back."""
    monkeypatch.setattr(retinanet_detector, "Matcher", retinanet_detector.Matcher)

    def run(name: str, *words: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        torch.manual_seed(1)
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    with torch.random.fork_rng():
        yield run


def losses(lines: list[str]) -> list[float]:
    found = [float(line.partition("loss ")[2]) for line in lines if re.match(r"epoch \d+: loss ", line)]
    assert all(map(math.isfinite, found)), lines
    return found


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_compiles_and_says_what_it_is(path: Path) -> None:
    code = compile(path.read_text(), path.name, "exec")
    assert code.co_consts[0], "a docstring"


@pytest.mark.parametrize("name", ["train_detector.py", "train_segmentation.py"])
def test_a_training_example_is_at_most_forty_lines(name: str) -> None:
    lines = (EXAMPLES / name).read_text().splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 120


@pytest.fixture(scope="module", autouse=True)
def someone_judges() -> None:
    assert 0 < len(HELD_OUT) < SOURCES, "the toy needs a patient held out, and another"


def test_the_detector_trains_on_real_and_synthetic_and_prints_ap(
    tmp_path: Path, printed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = loop(tmp_path, sources=SOURCES, variants=1)
    (made.output / "profile.yaml").write_text(load_profile("bone-xray").to_yaml())
    boxes_of(tmp_path)
    sizes: set[int] = set()
    watched = torch_half.collate_monai

    def remembered(batch: Any, longest: int) -> Any:
        images, targets = watched(batch, longest)
        sizes.update(max(image.shape) for image in images)
        return images, targets

    monkeypatch.setattr(torch_half, "collate_monai", remembered)
    lines = printed("train_detector.py", tmp_path / "boxes.json", tmp_path / "real", made.output, 1, 0.34, 36)
    assert sizes == {36}, "images of 40 px, bounded"
    assert len(losses(lines)) == 1  # one batch: three real images and a variant
    precisions = re.findall(r"'((?:lesion_)?AP_IoU_[^']*)': (?:np\.float64\()?(-?[\d.]+)", lines[-1])
    assert {"0.10", "0.50"} <= {key.partition("IoU_")[2][:4] for key, _ in precisions}, lines[-1]
    assert all(0 <= float(value) <= 1 for _, value in precisions)


class Detector(torch.nn.Module):
    """Stands in for torchvision's: takes and gives what those do, and knows what it was given."""

    seen: ClassVar[list[bool]] = []

    def __init__(self, weights_backbone: None, num_classes: int) -> None:  # noqa: ARG002
        super().__init__()
        assert num_classes == 2
        self.weight = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]] | None = None) -> Any:
        assert all(image.ndim == 3 and image.is_floating_point() for image in images)
        if targets is None:
            return [{"boxes": torch.zeros(0, 4)} for _ in images]
        assert all(target["labels"].tolist() == [1] and target["boxes"].shape == (1, 4) for target in targets)
        self.seen += [bool(target["synthetic"]) for target in targets]
        return {"loss": sum((self.weight - image.mean()) ** 2 for image in images)}


def test_a_script_of_ones_own_takes_at_most_twenty_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one of docs/how-to/training.md, with torchvision, which needn't be installed, stood in for."""
    page = (EXAMPLES.parent / "docs/how-to/training.md").read_text()
    (script,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "from torchvision" in code]
    assert len(script.splitlines()) <= SCRIPT_LINES
    made = loop(tmp_path, sources=SOURCES, variants=1)
    (made.output / "profile.yaml").write_text(load_profile("bone-xray").to_yaml())
    boxes_of(tmp_path)
    (tmp_path / "IMAGES").symlink_to(tmp_path / "real")
    (tmp_path / "OUTPUT").symlink_to(made.output)
    detection = ModuleType("torchvision.models.detection")
    detection.ssdlite320_mobilenet_v3_large = Detector  # type: ignore[attr-defined]
    for name in ("torchvision", "torchvision.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, detection.__name__, detection)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Detector, "seen", [])
    with torch.random.fork_rng():
        exec(compile(script, "training.md", "exec"), {})
    assert set(Detector.seen) == {True, False}, "real and synthetic"
    said = capsys.readouterr().out.splitlines()
    assert len(losses(said)) == 20
    assert len(said) == 20 + len(HELD_OUT)


def boxes_of(folder: Path) -> Path:
    """COCO boxes of the toy's real pictures."""
    pictures = [{"id": n, "file_name": f"{n}.png"} for n in range(SOURCES)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [4, 5, 8, 10]} for n in range(SOURCES)]
    content = {"images": pictures, "annotations": boxes, "categories": [{"id": 1, "name": "lesion"}]}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder / "boxes.json"


def test_the_segmentation_trains_on_variants_with_their_sources_masks_and_prints_dice(
    tmp_path: Path, printed: Callable[..., list[str]]
) -> None:
    made = loop(tmp_path, axes=3, sources=SOURCES, variants=1)
    (tmp_path / "masks").mkdir()
    mask = np.zeros(SPACE, dtype=np.int16)
    mask[1:3, 5:15, 4:12] = 1
    plain = replace(make.volume(SPACE), padding=None, rescale=(Rescale(),) * SPACE[0], stored=mask)
    for n in range(SOURCES):
        write_nifti(plain, tmp_path / "masks" / f"{n}.nii.gz")
    lines = printed("train_segmentation.py", made.output, tmp_path / "masks", 6)
    found = losses(lines)
    assert found[-1] < found[0] <= 1
    said = re.fullmatch(r"Dice of (\d+) volumes of patients held out: (\d\.\d+)", lines[-1])
    assert said, lines[-1]
    assert int(said[1]) == len(HELD_OUT)
    assert 0 <= float(said[2]) <= 1
