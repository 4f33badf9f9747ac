"""From a detector's name to the detector; every name is matched once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, assert_never, cast, get_args

from medaug.benchmark.detectors.command import Command
from medaug.benchmark.detectors.detector import Detector
from medaug.benchmark.detectors.features import IMAGENET, RANDOM
from medaug.benchmark.detectors.frozen import Frozen
from medaug.benchmark.detectors.retinanet import RetinaNet
from medaug.errors import RunError

DetectorKind = Literal["frozen", "random-features", "retinanet", "command"]


def detector_of(name: str, cache: Path, classes: tuple[str, ...], command: str = "") -> Detector:
    """The detector of a name.

    Args:
        name: of `DetectorKind`.
        cache: a folder for what it may keep.
        classes: labels by name.
        command: of the detector ``command``.

    Raises:
        RunError: there is no such detector, or no command.
    """
    if name not in get_args(DetectorKind):
        raise RunError(f"benchmark: no detector {name!r}; there are {', '.join(get_args(DetectorKind))}")
    kind = cast("DetectorKind", name)
    match kind:
        case "frozen":
            return Frozen(IMAGENET, cache)
        case "random-features":
            return Frozen(RANDOM, cache)
        case "retinanet":
            return RetinaNet(IMAGENET, cache)
        case "command":
            return Command(command, cache, classes)
        case _:
            assert_never(kind)
