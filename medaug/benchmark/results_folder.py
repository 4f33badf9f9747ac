"""The folder of a benchmark: its names, its plan, one file for each training, and the digests of all of it.

FORMAT.json          what the folder is
plan.json            the design with its primary contrast, images, groups, folds, profiles, versions; written first
trainings/ID.json    what one training was made of, its predictions on every image, its figures and its curve
results.json         the table and the statistics, report.md and report.html
examples.png         what each arm adds, to look at; report.html holds it, too
digests.json         SHA-256 of all of these
variants/PROFILE/     an OUTPUT of a run, which `medaug verify` checks by itself; PROFILE-SET where lesions are set in
cache/               features and fills; may be removed
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medaug.benchmark.detectors.detector import Point
from medaug.benchmark.evaluation import Figures
from medaug.benchmark.folder_format import FORMAT, NAME, VERSION
from medaug.errors import OutputError
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.plain_files import is_plain, read_plain, sha256_of_plain

PLAN, RESULTS, DIGESTS = "plan.json", "results.json", "digests.json"
TRAININGS, VARIANTS, CACHE = "trainings", "variants", "cache"
REPORTS = ("report.md", "report.html")
EXAMPLES = "examples.png"


@dataclass(frozen=True)
class TrainingRecord:
    """One training, done.

    Attributes:
        id: `design.Training.id`.
        arm: as named.
        fraction: of the real images.
        ratio: added images for each real one.
        fold: of the test images.
        seed: of the training.
        steps: gradient steps.
        real: places of the real training images among the labelled ones.
        added: source and digest of each added image.
        refused: how many of these are their source, since no variant passed the gate.
        curve: by gradient step.
        figures: on the fold's test images.
        found: COCO results by part: validation, test, normals; ``image_id`` is a source key.
        seconds: it took, of the wall clock.
    """

    id: str
    arm: str
    fraction: float
    ratio: float
    fold: int
    seed: int
    steps: int
    real: tuple[int, ...]
    added: tuple[tuple[str, str], ...]
    refused: int
    curve: tuple[Point, ...]
    figures: Figures
    found: Mapping[str, list[dict[str, Any]]]
    seconds: float


def declare(root: Path, plan: Mapping[str, Any]) -> None:
    """Begin a folder, or go on with one that has this very plan.

    Raises:
        OutputError: the folder is something else, or has another plan.
    """
    if not (root / FORMAT).exists():
        if root.exists() and any(root.iterdir()):
            raise OutputError("BENCH: the folder isn't empty and holds no benchmark; give a new one")
        root.mkdir(parents=True, exist_ok=True)
        write(root / PLAN, plan)
        write(root / FORMAT, {"format": NAME, "version": VERSION})
    elif read_plain(root / PLAN) != _spelled(plan):
        changed = sorted(key for key, value in read(root / PLAN).items() if _spelled(plan.get(key)) != _spelled(value))
        raise OutputError(
            f"BENCH: it was begun with another plan (other {', '.join(changed) or 'keys'}), and what was declared "
            "before a run isn't changed after it; give a new folder"
        )


def write(path: Path, data: Any) -> None:
    """Canonical JSON and a line break, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, _spelled(data))


def _spelled(data: Any) -> bytes:
    return canonical(data) + b"\n"


def read(path: Path) -> Any:
    """What `write` wrote.

    Raises:
        OSError: it can't be read.
        ValueError: it is no JSON.
    """
    return parse(read_plain(path))


def training_file(root: Path, training: str) -> Path:
    """Where a training's record lies."""
    return root / TRAININGS / f"{training}.json"


def write_training(root: Path, record: TrainingRecord) -> None:
    """Keep what a training came to; from then on it is done."""
    write(training_file(root, record.id), asdict(record))


def read_training(path: Path) -> TrainingRecord:
    """A record as it was written.

    Raises:
        OutputError: it isn't one.
    """
    try:
        data = read(path)
        figures = {**data["figures"], "by_size": tuple(data["figures"]["by_size"])}
        return TrainingRecord(
            **{
                **data,
                "real": tuple(data["real"]),
                "added": tuple((source, digest) for source, digest in data["added"]),
                "curve": tuple(Point(**point) for point in data["curve"]),
                "figures": Figures(**{**figures, "froc": tuple(figures["froc"])}),
            }
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(
            f"BENCH: {TRAININGS}/{path.name} isn't a training's record ({type(error).__name__})"
        ) from None


def examples_in(root: Path) -> bytes | None:
    """The sheet of what each arm adds; None in a folder of before there was one."""
    return read_plain(root / EXAMPLES) if is_plain(root / EXAMPLES) else None


def recorded(root: Path) -> Iterator[str]:
    """The files that the digests cover, relative, in order; variants have their own seal."""
    names = [FORMAT, PLAN, RESULTS, *REPORTS, EXAMPLES]
    names += [f"{TRAININGS}/{path.name}" for path in (root / TRAININGS).glob("*.json")]
    yield from sorted(name for name in names if is_plain(root / name))


def digests_of(root: Path) -> dict[str, str]:
    """SHA-256 of each recorded file."""
    return {name: sha256_of_plain(root / name) for name in recorded(root)}
