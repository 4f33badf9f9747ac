"""Whether the lists say what the records say; they are read here by what docs/format.md promises."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.imaging.boxes import Box, codes_by_label
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.disk_map import Shelf, among
from medaug.storage.json_stream import rows, scalars
from medaug.verification.faults import Fault

MONAI, COCO, CROISSANT = "monai.json", "coco.json", "croissant.json"
_CODE = "list-differs"
ROUNDED = 1e-3  # mm; the list has four decimals


def check_lists(root: Path, written: Collection[Record]) -> Iterator[Fault]:
    """Compare the lists with the written units that they should hold; an item of a list is in memory at a time.

    Args:
        root: OUTPUT.
        written: the records of status ``written``; iterated several times.
    """
    wanted = _planned(root, written)
    units = Shelf.of(record.unit for record in wanted)
    codes = codes_by_label(box for record in wanted for box in record.boxes)
    for name, read, expected in ((MONAI, _monai, _of_monai), (COCO, _coco, _of_coco)):
        try:
            found, meant = read(root / name)
        except OSError:
            yield Fault("file-missing", "the list can't be read", name)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            yield Fault(_CODE, f"not the list that docs/format.md describes ({type(error).__name__})", name)
        else:
            yield from _compared(name, found, ((record.unit, expected(record)) for record in wanted))
            for unit in found:
                if unit not in units:
                    yield Fault(_CODE, "a unit is listed that isn't written, or not planned any more", name, unit)
            if meant != codes:
                yield Fault(_CODE, "the codes of its classes are not those of the records", name)
    yield from _croissant(root)


def _croissant(root: Path) -> Iterator[Fault]:
    """The description's files are the lists beside it."""
    try:
        files = parse((root / CROISSANT).read_bytes())["distribution"]
        named = {(str(file["contentUrl"]), str(file["sha256"])) for file in files}
    except OSError:
        yield Fault("file-missing", "the description can't be read", CROISSANT)
    except (ValueError, KeyError, TypeError) as error:
        yield Fault(_CODE, f"not the description that docs/format.md describes ({type(error).__name__})", CROISSANT)
    else:
        there = {(name, sha256_of(root / name)) for name in (MONAI, COCO) if (root / name).is_file()}
        if named != there:
            yield Fault(_CODE, "its digests aren't those of monai.json and coco.json", CROISSANT)


def _planned(root: Path, written: Collection[Record]) -> Collection[Record]:
    """Those that plan.json asks for, where there is one: labels may have been withdrawn since."""
    try:
        units = Shelf.of(map(_text, rows(root / "plan.json", "units")))
    except (OSError, ValueError, TypeError):
        return written
    return among(written, lambda record: record.unit, units)


def _compared(name: str, found: Shelf[Any], expected: Iterable[tuple[str, Any]]) -> Iterator[Fault]:
    for unit, entry in expected:
        said = found.get(unit)
        if said is None:
            yield Fault(_CODE, "a written unit isn't listed", name, unit)
        elif said != entry:
            yield Fault(_CODE, "the entry contradicts the record: file, boxes, labels or provenance", name, unit)


def _monai(path: Path) -> tuple[Shelf[Any], dict[str, Any]]:
    """Unit → what its item says, labels by name; and class → its coded meanings.

    A unit listed twice shows as another value.
    """
    items: Shelf[Any] = Shelf()
    data, count = scalars(path), 0
    for item in rows(path, "training"):
        count += 1
        labels = [data["labels"][str(number)] for number in item["label"]]
        boxes = sorted(zip(map(tuple, item["box"]), labels, strict=True))
        unit = _text(item["medaug"]["unit"])
        world = item.get("box_lps", [])
        if world and len(world) != len(item["box"]):
            raise ValueError("box_lps")
        order = sorted(range(len(world)), key=lambda n: (tuple(item["box"][n]), labels[n]))
        entry = {"image": item["image"], "boxes": boxes, "medaug": item["medaug"]}
        entry["world"] = _World(tuple(tuple(world[n]) for n in order))
        entry["fold"] = item["fold"]
        items[unit] = "twice" if unit in items else entry
    if data["numTraining"] != count:
        raise ValueError("numTraining")
    return items, {data["labels"][number]: codes for number, codes in data.get("codes", {}).items()}


def _of_monai(record: Record) -> Any:
    first = record.images[0].path
    dicom = first.endswith(".dcm")
    assert record.geometry is not None
    frames = max(frame for _, frame in record.places)
    axes = (2, 1) if record.planar else (1, 0, 2) if dicom and frames else (2, 1, 0)
    spread = record.geometry.space == "patient"
    placed = [((tuple(c[n] for c in (box.start, box.stop) for n in axes), box.label), box) for box in record.boxes]
    return {
        "image": first.rpartition("/")[0] if dicom else first,
        "boxes": sorted(place for place, _ in placed),
        "world": _World(tuple(_world(record, box) for _, box in sorted(placed, key=itemgetter(0))) if spread else ()),
        "fold": int(hashlib.sha256(record.source.patient.encode()).hexdigest(), 16) % 5,
        "medaug": {
            "unit": record.unit,
            "variant": record.variant,
            "seed": record.seed,
            "source": record.source.key,
            "source_series_uid": record.source.series_uid,
            "patient": record.source.patient,
            "record": f"{record.folder}/record.json",
            "axes": " ".join(("slice", "row", "column")[axis] for axis in axes),
        },
    }


@dataclass(frozen=True, eq=False)
class _World:
    """Boxes in mm; equal within what the list rounds away."""

    boxes: tuple[tuple[float, ...], ...]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _World) or [len(b) for b in self.boxes] != [len(b) for b in other.boxes]:
            return False
        return bool(np.allclose(self.boxes, other.boxes, rtol=0, atol=ROUNDED))

    __hash__ = None  # type: ignore[assignment]


def _world(record: Record, box: Box) -> tuple[float, ...]:
    """The box's outermost voxel edges in LPS: centre of the box ± half its extent along each axis of the grid."""
    assert record.geometry is not None
    affine = np.array(record.geometry.affine)
    centre = affine @ [*((a + b - 1) / 2 for a, b in zip(box.start, box.stop, strict=True)), 1]
    reach = np.abs(affine[:3, :3]) @ np.array(box.shape) / 2
    return tuple(float(x) for x in (*(centre[:3] - reach), *(centre[:3] + reach)))


def _coco(path: Path) -> tuple[Shelf[Any], dict[str, Any]]:
    """Unit → its slices and its boxes on them, as a multiset; and class → its coded meanings."""
    categories = list(rows(path, "categories"))
    names = {category["id"]: category["name"] for category in categories}
    places: Shelf[tuple[str, int]] = Shelf()

    def pictures() -> Iterator[tuple[str, bytes]]:
        for image in rows(path, "images"):
            number, unit = str(image["id"]), _text(image["medaug"]["unit"])
            if number in places:
                raise ValueError("image ids")
            places[number] = (unit, image["slice"])
            yield unit, canonical({key: value for key, value in image.items() if key != "id"})

    def shapes() -> Iterator[tuple[str, bytes]]:
        for entry in rows(path, "annotations"):
            place = places.get(str(entry["image_id"]))
            if place is None:
                raise ValueError("image id")
            yield place[0], _shape(place[1], names[entry["category_id"]], entry["bbox"], entry["area"])

    entries: Shelf[Counter[bytes]] = Shelf()
    for items in (pictures, shapes):
        for unit, group in groupby(items(), key=itemgetter(0)):  # one group a unit, unless somebody shuffled the list
            entries[unit] = (entries.get(unit) or Counter()) + Counter(spelled for _, spelled in group)
    return entries, {category["name"]: category["codes"] for category in categories if "codes" in category}


def _of_coco(record: Record) -> Any:
    assert record.geometry is not None
    files, places, (_, rows, columns) = record.images, record.places, record.geometry.shape
    pictures = Counter(
        canonical(
            {
                "file_name": files[places[k][0]].path,
                "slice": k,
                "frame": places[k][1],
                "height": rows,
                "width": columns,
                "medaug": {"unit": record.unit, "source": record.source.key, "patient": record.source.patient},
            }
        )
        for k in {k for box in record.boxes for k in range(box.start[0], box.stop[0])}
    )
    return pictures + Counter(_shapes(record.boxes))


def _shapes(boxes: Iterable[Box]) -> Iterator[bytes]:
    for box in boxes:
        (_, top, left), (_, height, width) = box.start, box.shape
        for k in range(box.start[0], box.stop[0]):
            yield _shape(k, box.label, [left, top, width, height], width * height)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _shape(k: int, label: str, bbox: list[int], area: int) -> bytes:
    return canonical([k, label, bbox, area])
