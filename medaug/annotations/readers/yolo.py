"""YOLO text files: class, centre x, centre y, width, height, as shares of the image; or a class and a polygon."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from medaug.annotations.folder_files import files_below
from medaug.annotations.matching.by_name import read_each
from medaug.annotations.model import Entry, Images, ReaderResult, Rectangle, sound
from medaug.annotations.parsing import beside, corners, number, read_text, text, whole
from medaug.errors import AnnotationError
from medaug.storage.strict_yaml import parse_yaml

CLASS_FILES = ("data.yaml", "data.yml", "classes.txt")
NOT_LABELS = frozenset({"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "license.txt"})
MAX_SMALL = 1 << 20  # bytes of one label file or class list
ROUNDED = 0.01  # how far a share may lie beyond 0…1, as tools write them for what touches the edge


@dataclass(frozen=True)
class Classes:
    """What is stated beside the label files.

    Attributes:
        names: by number, or None where no list is found.
        points: how many numbers of key points follow a box (``kpt_shape``), 0 for none.
        doubtful: whether key points seem to follow the boxes although none are stated.
    """

    names: dict[int, str] | None = None
    points: int = 0
    doubtful: bool = False


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one label file, or of every ``.txt`` below a folder.

    A file's stem is its image's stem, and its folders below ``path`` help to find the image; an empty file says that
    nothing was found. Class names come from the data.yaml or classes.txt in ``path``, or beside the file, and from
    nowhere above; without one, class 3 is called ``class-3``. Where data.yaml states ``kpt_shape``, a box with key
    points is that box; where it doesn't, rows that may be such withhold their images, as every malformed line does.

    Raises:
        AnnotationError: the list of classes, or a single file, can't be read.
    """
    classes = _classes(path if path.is_dir() else path.parent)
    files = label_files(path)
    if not classes.points:
        classes = Classes(classes.names, doubtful=any(_holds_points(file) for file in files))
    return read_each(files, path, images, "label file", partial(_entry, classes=classes), _image)


def label_files(path: Path) -> list[Path]:
    """The label files of a path, in order; lists and notes that lie beside them are no labels."""
    if path.is_file():
        return [path]
    texts = (file for file in files_below(path).files if file.suffix.lower() == ".txt")
    return [file for file in texts if file.name.lower() not in NOT_LABELS]


def _entry(file: Path, where: str, classes: Classes) -> Entry:
    lines = read_text(file, where, MAX_SMALL).splitlines()
    rows = [(f"{where}, line {m}", line) for m, line in enumerate(lines, 1) if line.strip()]
    rectangles, faults = sound(rows, partial(_rectangle, classes=classes))
    return Entry(rectangles, name=file.stem, faults=faults)


def _image(file: Path, name: str, root: Path) -> str:
    """``train/labels/a.txt`` is about ``train/images/a``: the convention of every YOLO trainer."""
    *folders, own = beside(file, name, root).split("/")
    return "/".join([*("images" if part == "labels" else part for part in folders), own])


def _rectangle(row: tuple[str, str], classes: Classes) -> Rectangle:
    where, line = row
    first, *rest = line.split()
    index, names = whole(first, where, "the class"), classes.names
    if names is not None and index not in names:
        raise AnnotationError(f"{where}: expected one of the classes listed ({len(names)}), found {index}")
    if classes.points and len(rest) == 4 + classes.points:
        rest = rest[:4]
    shares = [number(n, where, "a share") for n in rest]
    if classes.doubtful and len(shares) > 4:
        raise AnnotationError(f"{where}: expected a box or a polygon, found what may be key points; state kpt_shape")
    if any(not -ROUNDED <= share <= 1 + ROUNDED for share in shares):
        raise AnnotationError(f"{where}: expected shares from 0 to 1, found {min(shares):g}…{max(shares):g}; pixels?")
    low, high = _corners(shares, where)
    label = f"class-{index}" if names is None else names[index]
    return Rectangle(low, high, label, where, shares=True, slack=_slack(rest))


def _corners(shares: list[float], where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    if len(shares) == 4:
        x, y, width, height = shares
        return corners((x - width / 2, y - height / 2), (x + width / 2, y + height / 2), where)
    if len(shares) >= 6 and len(shares) % 2 == 0:
        xs, ys = shares[0::2], shares[1::2]
        return corners((min(xs), min(ys)), (max(xs), max(ys)), where)
    raise AnnotationError(f"{where}: expected 4 shares of a box or 3 or more points, found {len(shares)} numbers")


def _holds_points(file: Path) -> bool:
    """Whether a row of a file seems to be a box with key points; a file that can't be read tells nothing."""
    try:
        lines = read_text(file, "", MAX_SMALL).splitlines()
        return any(_are_points([float(n) for n in line.split()[1:]]) for line in lines)
    except (AnnotationError, ValueError):
        return False


def _are_points(shares: list[float]) -> bool:
    """Whether numbers read better as a box with key points (x, y[, visibility]) in it than as a polygon.

    A third number that is always 0, 1 or 2 is a visibility. Of pairs alone, the second one tells: a size lies apart
    from all the others, where a polygon's second corner lies beside its first.
    """
    more = len(shares) - 4
    if more < 3:
        return False
    if more % 3 == 0 and set(shares[6::3]) <= {0, 1, 2} and more > 3 - len(shares) % 2:
        return True
    if more % 2:
        return False
    x, y, width, height = shares[:4]
    points = np.array(shares[4:]).reshape(-1, 2)
    inside = (np.abs(points - [x, y]) <= np.array([width, height]) / 2 + ROUNDED).all()
    others = np.vstack([points, [(x, y)]])
    low, high = others.min(axis=0), others.max(axis=0)
    apart = np.linalg.norm(np.maximum(0, np.maximum(low - [width, height], [width, height] - high)))
    return bool(inside and apart > np.linalg.norm(high - low))


def _slack(numbers: list[str]) -> float:
    """How far an edge may be off: half a unit of the last decimal for the centre, a quarter for half the width."""
    decimals = max(len(n.partition(".")[2]) for n in numbers)
    return 0.75 * 10.0**-decimals


def _classes(folder: Path) -> Classes:
    for name in CLASS_FILES:
        if (folder / name).is_file():
            content = read_text(folder / name, name, MAX_SMALL)
            return Classes(_listed(content)) if name.endswith(".txt") else _from_yaml(content)
    return Classes()


def _listed(content: str) -> dict[int, str]:
    return {n: text(line, "classes.txt", f"line {n + 1}") for n, line in enumerate(content.split("\n")) if line.strip()}


def _from_yaml(content: str) -> Classes:
    """``names`` as a list or as a mapping from number to name, and ``kpt_shape`` as [points, numbers of each]."""
    try:
        loaded = parse_yaml(content)
    except ValueError:
        raise AnnotationError(
            "data.yaml: expected YAML without aliases, merges and repeated keys; check the file"
        ) from None
    names = loaded.get("names") if isinstance(loaded, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise AnnotationError("data.yaml: expected 'names' as a list or a mapping of class names")
    shape = loaded.get("kpt_shape") or [0, 0]
    if not isinstance(shape, list) or len(shape) != 2:
        raise AnnotationError("data.yaml: expected kpt_shape as [points, numbers of each]")
    points = whole(shape[0], "data.yaml", "kpt_shape") * whole(shape[1], "data.yaml", "kpt_shape")
    called = {
        whole(n, "data.yaml", "a class number"): text(name, "data.yaml", "a class name") for n, name in names.items()
    }
    return Classes(called, points)
