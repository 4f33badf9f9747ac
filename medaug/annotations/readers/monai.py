"""MONAI datalists (Decathlon's JSON): boxes and whole-number labels on named images, in MONAI's box modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.dicom_objects import carriers
from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.matching.by_position import Figure, match_by_position
from medaug.annotations.model import Entry, Images, Note, ReaderResult, Rectangle, joined, sound, withheld
from medaug.annotations.parsing import get, listed, numbers, parsed, text, whole
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Float64
from medaug.imaging.volume import Volume

Corners = tuple[Float64, Float64]  # lower and upper (x, y) or (x, y, z)

# Mode → how its numbers become corners (monai.data.box_utils.SUPPORTED_MODES); c is a centre, w, h and d are sizes.
MODES: dict[str, Callable[[Float64], Corners]] = {
    "xyxy": lambda v: (v[:2], v[2:]),
    "xyzxyz": lambda v: (v[:3], v[3:]),
    "xxyy": lambda v: (v[0::2], v[1::2]),
    "xxyyzz": lambda v: (v[0::2], v[1::2]),
    "xyxyzz": lambda v: (v[[0, 1, 4]], v[[2, 3, 5]]),
    "xywh": lambda v: (v[:2], v[:2] + v[2:]),
    "xyzwhd": lambda v: (v[:3], v[:3] + v[3:]),
    "ccwh": lambda v: (v[:2] - v[2:] / 2, v[:2] + v[2:] / 2),
    "cccwhd": lambda v: (v[:3] - v[3:] / 2, v[:3] + v[3:] / 2),
}
AXES = ("column", "row", "slice")  # of x, y and z
SPACES = ("image", "LPS", "RAS")
TO_LPS = {"LPS": np.ones(3), "RAS": np.array([-1.0, -1.0, 1.0])}


class ListError(AnnotationError):
    """What is wrong with one box says that all of the list are read in the wrong way."""


@dataclass(frozen=True, eq=False)
class MonaiBox:
    """One box: its corners in x, y (, z), its label and where it stands."""

    low: Float64
    high: Float64
    label: str
    where: str


@dataclass(frozen=True, eq=False)
class DatalistImage:
    """One image of a datalist: its name (a file or a folder), or the UID of its first instance, and its boxes."""

    name: str
    uid: str
    boxes: tuple[MonaiBox, ...]
    where: str
    faults: tuple[str, ...] = ()


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of a datalist's items, of whichever split.

    A box is [x, y, (z,) x, y, (z)] in voxels, low corner first, high exclusive; x is the array's first axis, which is
    the column in MONAI's readers, y the row, z the slice along the normal. ``box_mode`` beside the lists names another
    of MONAI's modes, and ``box_space`` (``LPS``, ``RAS``) says that the numbers are mm in patient space. ImageNames of
    classes come from ``labels`` ({"0": "nodule"}), else 3 is ``class-3``. An image is a file's name, or a folder whose
    path ends as stated. A malformed box withholds its image; one of a size below 0, or far outside its image where
    ``box_mode`` and ``box_space`` aren't both stated, says that all are read in the wrong way.

    Raises:
        AnnotationError: not a datalist with boxes, an item names no image, or a size is below 0.
    """
    content: Any = parsed(path, "MONAI datalist")
    space = content.get("box_space", "image") if isinstance(content, dict) else None
    if space not in SPACES:
        raise AnnotationError(f"MONAI datalist: expected an object, with a box_space of {', '.join(SPACES)}")
    items = list(_items(content))
    found = {n: volumes for n, item in enumerate(items) if (volumes := _stated(item, images))}
    probes = [_probe(n, item) for n, item in enumerate(items) if n not in found]
    by_name = match_by_name(probes, images)
    volume_of = {volume.source.key: volume for volume in images.volumes}
    found |= {int(box.id): [volume_of[key]] for key, box in by_name.boxes}
    parts = [_placed(items[n], found[n], str(space)) for n in sorted(found)]
    named = ReaderResult(named=by_name.named, unsure=by_name.unsure, notes=by_name.notes)
    stated = "box_mode" in content and "box_space" in content
    return _one_frame(joined((named, *parts)), stated=stated)


def _one_frame(placed: ReaderResult, *, stated: bool) -> ReaderResult:
    """All boxes of a list stand in one frame: where one lies outside its image and none is stated, all are doubted."""
    outside = [note for note in placed.notes if note.code in ("outside", "beyond")]
    if stated or not outside:
        return placed
    doubted = (Note("other-frame", outside[0].where),)
    return replace(placed, unsure=placed.unsure | placed.named, notes=(*placed.notes, *doubted))


def _items(content: Any) -> Iterator[DatalistImage]:
    names = content.get("labels") or {}
    if not isinstance(names, dict):
        raise AnnotationError('MONAI datalist: expected labels as {"0": "name"}')
    for split, entries in content.items():
        if isinstance(entries, list):
            for n, entry in enumerate(entries):
                yield _item(entry, f"{_plain(split)} {n}", content.get("box_mode"), names)


def _item(entry: object, where: str, mode: object, names: dict[str, object]) -> DatalistImage:
    image = get(entry, "image", where)
    if not isinstance(image, str) or not image:
        raise AnnotationError(f"{where}: expected one path for 'image', found something else")
    labels, boxes = listed(entry, "label", where), listed(entry, "box", where)
    if len(labels) != len(boxes):
        raise AnnotationError(f"{where}: expected a label for each box, found {len(labels)} for {len(boxes)}")
    nested = entry.get("medaug") if isinstance(entry, dict) else None
    uid = nested.get("sop_instance_uid") if isinstance(nested, dict) else None
    axes = nested.get("axes") if isinstance(nested, dict) else None
    pairs = [(f"{where}, box {n}", box, label) for n, (box, label) in enumerate(zip(boxes, labels, strict=True))]

    def marked(one: tuple[str, object, object]) -> MonaiBox:
        spot, box, label = one
        return _turned(_marked(box, _name(label, names, where), mode, spot), axes)

    kept, faults = sound(pairs, marked)
    return DatalistImage(image, str(uid or ""), kept, where, faults)


def _turned(box: MonaiBox, axes: object) -> MonaiBox:
    """As x, y(, z), where the item says that its array has other axes, as medaug does for multi-frame images."""
    words = axes.split() if isinstance(axes, str) else list(AXES[: len(box.low)])
    if sorted(words) != sorted(AXES[: len(box.low)]):
        raise AnnotationError(f"{box.where}: expected axes made of {' '.join(AXES)}, one for each of the box")
    order = [words.index(axis) for axis in AXES[: len(words)]]
    return replace(box, low=box.low[order], high=box.high[order])


def _marked(box: object, label: str, mode: object, where: str) -> MonaiBox:
    count = len(box) if isinstance(box, list) else 0
    chosen = mode if mode is not None else {4: "xyxy", 6: "xyzxyz"}.get(count)
    if not isinstance(chosen, str) or chosen not in MODES or len(chosen) != count:
        problem = f"{where}: expected 4 or 6 numbers, and a box_mode of {', '.join(MODES)} for them"
        raise ListError(problem) if mode is not None else AnnotationError(problem)
    low, high = MODES[chosen](np.array(numbers(box, count, where, "the box")))
    if (high < low).any():  # then the others aren't what they seem, either
        raise ListError(f"{where}: expected sizes above 0, found others; is it {chosen}? State box_mode")
    if not (high > low).all():
        raise AnnotationError(f"{where}: expected sizes above 0, found 0")
    return MonaiBox(low, high, label, where)


def _name(label: object, names: dict[str, object], where: str) -> str:
    number = whole(label, where, "label")
    return text(names.get(str(number), f"class-{number}"), where, "a label's name")


def _stated(item: DatalistImage, images: Images) -> list[Volume]:
    """The volumes of the folder that an item names, or of its first instance; in order along the normal."""
    if item.uid:
        keys = carriers(item.uid, images.volumes)
        first = [v for v in images.volumes if v.source.key in keys]
        series = {v.source.series_uid for v in first if v.geometry.shape[0] == 1 and v.source.part}
        alone = [v for v in images.volumes if v.source.series_uid in series and v.geometry.shape[0] == 1]
        return _ordered(alone or first)
    stated = Path(item.name.replace("\\", "/")).parts
    folder = [v for v in images.volumes if _folder(v)[-len(stated) :] == stated]
    return _ordered(folder)


def _folder(volume: Volume) -> tuple[str, ...]:
    return volume.source.files[0].resolve().parent.parts


def _ordered(volumes: Sequence[Volume]) -> list[Volume]:
    def along(volume: Volume) -> float:
        normal = volume.geometry.affine[:3, 0]
        return float(volume.geometry.affine[:3, 3] @ normal / max(float(np.linalg.norm(normal)), 1e-9))

    return sorted(volumes, key=along)


def _probe(n: int, item: DatalistImage) -> Entry:
    """Which image is meant is asked with a rectangle that lies on any; its ``id`` is the item."""
    asked = Rectangle((0, 0), (1, 1), "asked", item.where, str(n))
    return Entry((asked,) if item.boxes else (), name=item.name, slice=0, faults=item.faults)


def _placed(item: DatalistImage, volumes: Sequence[Volume], space: str) -> ReaderResult:
    keys = frozenset(volume.source.key for volume in volumes)
    stack = len(volumes) == 1 or all(
        v.geometry.shape[0] == 1 and v.source.series_uid == volumes[0].source.series_uid for v in volumes
    )
    if not stack:
        return withheld(volumes, "several-images", item.where) if item.boxes or item.faults else ReaderResult()
    faulty = [withheld(volumes, "bad-entry", fault) for fault in item.faults]
    if space != "image":
        return joined(
            (ReaderResult(named=keys), *faulty, match_by_position([_figure(box, space) for box in item.boxes], volumes))
        )
    return joined((ReaderResult(named=keys), *faulty, *(_on_voxels(box, volumes) for box in item.boxes)))


def _figure(box: MonaiBox, space: str) -> Figure:
    if len(box.low) != 3:
        raise AnnotationError(f"{box.where}: expected three axes in {space}, found two")
    corners = np.array(list(product(*zip(box.low, box.high, strict=True)))) * TO_LPS[space]
    return Figure("POLYGON", corners, box.label, box.where)


def _on_voxels(box: MonaiBox, volumes: Sequence[Volume]) -> ReaderResult:
    """A box on one volume, or on the slices of one series that are volumes of their own."""
    slices = sum(volume.geometry.shape[0] for volume in volumes)
    if len(box.low) == 2 and slices > 1:
        keys = frozenset(volume.source.key for volume in volumes)
        return ReaderResult(unsure=keys, notes=(Note("slice-not-stated", box.where),))
    boxes: list[tuple[str, Box]] = []
    flat = len(box.low) == 2
    low = [*[0.0] * flat, *box.low[::-1].tolist()]
    high = [*[1.0] * flat, *box.high[::-1].tolist()]
    drawn = enclosing(low, high, (slices, *volumes[0].geometry.shape[1:]), box.label)
    if not isinstance(drawn, Box):
        return withheld(volumes, drawn, box.where)
    for k, volume in enumerate(volumes):
        start, stop = max(drawn.start[0] - k, 0), min(drawn.stop[0] - k, volume.geometry.shape[0])
        if start < stop:
            part = replace(drawn, start=(start, *drawn.start[1:]), stop=(stop, *drawn.stop[1:]))
            boxes.append((volume.source.key, part))
    return ReaderResult(tuple(boxes))


def _plain(split: str) -> str:
    return split if split.isascii() and split.isalpha() and len(split) <= 16 else "split"
