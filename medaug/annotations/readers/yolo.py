"""YOLO text files: class, centre x, centre y, width, height, as shares of the image; or a class and a polygon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medaug.annotations.matching.by_name import place
from medaug.annotations.model import Entry, Images, Placed, Rectangle
from medaug.annotations.parsing import beside, corners, number, read_text, text, whole
from medaug.errors import AnnotationError

CLASS_FILES = ("data.yaml", "data.yml", "classes.txt")
NOT_LABELS = frozenset({"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "license.txt"})
LEVELS_UP = 2  # data.yaml of a usual set lies two above train/labels
MAX_SMALL = 1 << 20  # bytes of one label file or class list


def read(path: Path, images: Images) -> Placed:
    """Boxes of one label file, or of every ``.txt`` below a folder.

    A file's stem is its image's stem, and its folders below ``path`` help to find the image; an empty file says that
    nothing was found. Class names come from the nearest data.yaml or classes.txt, up to two folders above; without one,
    class 3 is called ``class-3``.

    Raises:
        AnnotationError: a line is malformed, a share lies outside 0…1, or a class has no name in the list.
    """
    names = _class_names(path if path.is_dir() else path.parent)
    return place(_entries(label_files(path), path, names), images)


def label_files(path: Path) -> list[Path]:
    """The label files of a path, in order; lists and notes that lie beside them are no labels."""
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".txt" and p.is_file())
    return [p for p in found if p.name.lower() not in NOT_LABELS]


def _entries(files: list[Path], root: Path, names: dict[int, str] | None) -> Iterator[Entry]:
    for n, file in enumerate(files):
        where = f"label file {n}"
        lines = read_text(file, where, MAX_SMALL).splitlines()
        rectangles = [_rectangle(li, names, f"{where}, line {m}") for m, li in enumerate(lines, 1) if li.strip()]
        yield Entry(tuple(rectangles), name=_image(file, root))


def _image(file: Path, root: Path) -> str:
    """``train/labels/a.txt`` is about ``train/images/a``: the convention of every YOLO trainer."""
    *folders, name = beside(file, file.stem, root).split("/")
    return "/".join([*("images" if part == "labels" else part for part in folders), name])


def _rectangle(line: str, names: dict[int, str] | None, where: str) -> Rectangle:
    first, *rest = line.split()
    index = whole(first, where, "the class")
    if names is not None and index not in names:
        raise AnnotationError(f"{where}: expected one of the classes listed ({len(names)}), found {index}")
    shares = [number(n, where, "a share") for n in rest]
    if any(not 0 <= share <= 1 for share in shares):
        raise AnnotationError(f"{where}: expected shares from 0 to 1, found {min(shares):g}…{max(shares):g}; pixels?")
    if len(shares) == 4:
        x, y, width, height = shares
        low, high = corners((x - width / 2, y - height / 2), (x + width / 2, y + height / 2), where)
    elif len(shares) >= 6 and len(shares) % 2 == 0:
        xs, ys = shares[0::2], shares[1::2]
        low, high = corners((min(xs), min(ys)), (max(xs), max(ys)), where)
    else:
        raise AnnotationError(f"{where}: expected 4 shares of a box or 3 or more points, found {len(shares)} numbers")
    label = f"class-{index}" if names is None else names[index]
    return Rectangle(low, high, label, where, shares=True, slack=_slack(rest))


def _slack(numbers: list[str]) -> float:
    """How far an edge may be off: half a unit of the last decimal for the centre, a quarter for half the width."""
    decimals = max(len(n.partition(".")[2]) for n in numbers)
    return 0.75 * 10.0**-decimals


def _class_names(folder: Path) -> dict[int, str] | None:
    for above in [folder, *folder.resolve().parents[:LEVELS_UP]]:
        for name in CLASS_FILES:
            if (above / name).is_file():
                content = read_text(above / name, name, MAX_SMALL)
                return _listed(content) if name.endswith(".txt") else _from_yaml(content)
    return None


def _listed(content: str) -> dict[int, str]:
    return {n: text(line, "classes.txt", f"line {n + 1}") for n, line in enumerate(content.split("\n")) if line.strip()}


def _from_yaml(content: str) -> dict[int, str]:
    """``names`` as a list or as a mapping from number to name."""
    import yaml

    try:
        loaded = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise AnnotationError("data.yaml: expected YAML; check the file") from None
    names = loaded.get("names") if isinstance(loaded, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise AnnotationError("data.yaml: expected 'names' as a list or a mapping of class names")
    return {
        whole(n, "data.yaml", "a class number"): text(name, "data.yaml", "a class name") for n, name in names.items()
    }
