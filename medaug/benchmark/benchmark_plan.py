"""plan.json: all that was settled before the first training, and the setup that can be read back from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from medaug.benchmark.design.design import Design
from medaug.benchmark.detectors.detector import Detector
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.folder_format import FORMAT, is_benchmark
from medaug.benchmark.images.dataset import Dataset, Picture
from medaug.benchmark.request import BenchmarkRequest
from medaug.benchmark.results_folder import PLAN, read
from medaug.benchmark.training import BenchmarkSetup
from medaug.errors import OutputError
from medaug.storage.canonical_json import canonical
from medaug.storage.json_dataclass import decode
from medaug.version import versions

MORE = ("monai", "pycocotools")  # packages that decide a figure, beside a run's own


def plan_of(request: BenchmarkRequest, setup: BenchmarkSetup, detector: Detector) -> dict[str, Any]:
    """What is compared, on which images, by what; no name, path or pixel of the input."""
    data = setup.data
    parts = data.parts or ("",) * len(data.groups)
    images = [_image(*each) for each in zip(data.everything, data.groups, parts, strict=True)]
    return {
        "design": request.design.data,
        **settled(setup),
        "detector": detector.identity,
        "profiles": {
            one.text: request.profile_of(one).sha256 for one in request.design.chosen if one.arm.making != "none"
        },
        "prior": request.run.profile.prior.sha256,
        "classes": list(data.classes),
        "labelled": images[: len(data.labelled)],
        "normals": images[len(data.labelled) :],
        "data": hashlib.sha256(canonical(images)).hexdigest(),
        "versions": versions() | {name: _version(name) for name in MORE},
    }


def setup_of(root: Path) -> BenchmarkSetup:
    """The design and the labels of a benchmark, without pixels.

    Raises:
        OutputError: there is none, or its plan can't be read.
    """
    if not is_benchmark(root):
        raise OutputError(f"BENCH: no benchmark lies there ({FORMAT} is missing or of something else)")
    try:
        plan = read(root / PLAN)
        design = decode(Design, canonical(plan["design"]), "design")
        each = [*plan["labelled"], *plan["normals"]]
        labelled, normals = (tuple(map(_picture, plan[part])) for part in ("labelled", "normals"))
        groups, parts = tuple(one["group"] for one in each), tuple(one["part"] for one in each if "part" in one)
        data = Dataset(labelled, normals, groups, tuple(plan["classes"]), parts)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"BENCH: {PLAN} can't be read as a plan ({type(error).__name__})") from None
    return BenchmarkSetup(design, data)


def settled(setup: BenchmarkSetup) -> dict[str, Any]:
    """What of a plan follows from the rest of it: the contrasts, and who is in which part."""
    design = setup.design
    return {
        "primary": asdict(design.primary),
        "others": [asdict(contrast) for contrast in design.others],
        "folds": [asdict(fold) for fold in setup.folds],
    }


def _image(picture: Picture, group: int, part: str) -> dict[str, Any]:
    known = {"source": picture.source, "group": group, "digest": picture.digest, "boxes": picture.plain_boxes}
    return known | ({"part": part} if part else {})


def _picture(data: Mapping[str, Any]) -> Picture:
    table = np.array(data["boxes"], dtype=np.float64).reshape(-1, 5)
    boxes = Boxes.labelled(table[:, :4], table[:, 4].astype(np.int64))
    return Picture(data["source"], np.zeros((0, 0), dtype=np.uint8), boxes)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
