"""Whether the lists say what records and decisions say: they are made again from them, and compared entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from medaug.audit.layout import PLAN
from medaug.audit.record import Record
from medaug.audit.record_order import Ordered
from medaug.audit.source_names import Sources, read_sources
from medaug.manifests.coco import COCO
from medaug.manifests.croissant import CROISSANT
from medaug.manifests.monai import MONAI
from medaug.manifests.table import MANIFESTS
from medaug.profile.profile import Profile
from medaug.storage.atomic import has_bytes
from medaug.storage.canonical_json import canonical, document, parse
from medaug.storage.disk_map import DiskMap, among
from medaug.storage.json_stream import array_items, other_members
from medaug.storage.plain_files import is_plain, read_plain, sha256_of_plain
from medaug.verification.descriptions import check_descriptions
from medaug.verification.faults import Fault

_CODE = "list-differs"
ROUNDED = 1e-3  # mm; the list has four decimals, whose last may differ between machines

Items = Callable[[str], Iterable[Any]]  # the items of an array of a list
Listed = tuple[DiskMap[tuple[Any, list[Any]]], dict[str, Any]]  # unit → entry, boxes in mm; class → its coded meanings
EntryReader = Callable[[Items, Mapping[str, Any]], Listed]


def check_lists(root: Path, records: Collection[Record], profile: Profile | None = None) -> Iterator[Fault]:
    """Compare the lists with the units that they should hold; an item of a list is in memory at a time.

    Args:
        root: OUTPUT.
        records: of all units; iterated several times.
        profile: of OUTPUT, where this medaug would write the same words; None leaves descriptions out.
    """
    wanted = Ordered.of(_planned(root, records))
    sources = _named(root)
    for manifest in MANIFESTS:
        path, made = root / manifest.name, manifest.content(wanted, sources)
        yield from _check(path, ENTRIES.get(manifest.name), made)
    yield from _check_croissant(root)
    if profile is not None:
        yield from check_descriptions(root, wanted, profile)


def _planned(root: Path, records: Collection[Record]) -> Collection[Record]:
    """Those that plan.json asks for, where there is one: labels may have been withdrawn since."""
    try:
        units = DiskMap.of(map(_text, array_items(root / PLAN, "units")))
    except (OSError, ValueError, TypeError):
        return records
    return among(records, lambda record: record.unit, units)


def _named(root: Path) -> Sources:
    """How plan.json names the sources; not at all where it can't be read."""
    try:
        return read_sources(root)
    except (OSError, ValueError, KeyError, TypeError):
        return DiskMap()


def _check(path: Path, read: EntryReader | None, made: Mapping[str, Any]) -> Iterator[Fault]:
    """Its bytes are those of the list made again, or else each entry is compared: numbers of classes may shift."""
    try:
        if has_bytes(path, document(made)):
            return
        if read is None:
            yield Fault(_CODE, "it isn't what the records say, made again", path.name)
        else:
            said = read(partial(array_items, path), other_members(path))
            yield from _compared(path.name, said, read(made.__getitem__, made))
    except OSError:
        yield Fault("file-missing", "the list can't be read", path.name)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        yield Fault(_CODE, f"not a list as a run writes it ({type(error).__name__})", path.name)


def _compared(name: str, said: Listed, made: Listed) -> Iterator[Fault]:
    for unit, entry in made[0].items():
        listed = said[0].get(unit)
        if listed is None:
            yield Fault(_CODE, "a written unit isn't listed", name, unit)
        elif not _same(listed, entry):
            yield Fault(_CODE, "the entry contradicts the record: file, boxes, labels or provenance", name, unit)
    for unit in said[0]:
        if unit not in made[0]:
            yield Fault(_CODE, "a unit is listed that isn't written, or not planned any more", name, unit)
    if said[1] != made[1]:
        yield Fault(_CODE, "the codes of its classes are not those of the records", name)


def _same(one: tuple[Any, list[Any]], other: tuple[Any, list[Any]]) -> bool:
    """Equal, and in mm within what the list rounds away."""
    (entry, boxes), (expected, placed) = one, other
    alike = entry == expected and np.shape(boxes) == np.shape(placed)
    return alike and bool(np.allclose(boxes, placed, rtol=0, atol=ROUNDED))


def _of_monai(items: Items, head: Mapping[str, Any]) -> Listed:
    """Its items with labels by name; a unit listed twice shows as another value."""
    units: DiskMap[tuple[Any, list[Any]]] = DiskMap()
    labels, count = head["labels"], 0
    for count, item in enumerate(items("training"), 1):  # noqa: B007 - their number is needed
        unit, world = _text(item["medaug"]["unit"]), item.pop("box_lps", [])
        unit = unit or f"the real image of {_text(item['medaug']['source'])}"
        entry = canonical(item | {"label": [labels[str(number)] for number in item["label"]]})
        units[unit] = ("twice", []) if unit in units else (entry, world)
    if head["numTraining"] != count:
        raise ValueError("numTraining")
    return units, {labels[number]: codes for number, codes in head.get("codes", {}).items()}


def _of_coco(items: Items, _: Mapping[str, Any]) -> Listed:
    """Its images and annotations, as a multiset for each unit, by slices and classes in place of their numbers."""
    categories = list(items("categories"))
    names = {category["id"]: category["name"] for category in categories}
    slices: DiskMap[tuple[str, int]] = DiskMap()

    def spelled() -> Iterator[tuple[str, bytes]]:
        for image in items("images"):
            number, unit = str(image["id"]), _text(image["medaug"]["unit"])
            if number in slices:
                raise ValueError("image ids")
            slices[number] = unit, image["slice"]
            yield unit, canonical(image | {"id": 0})
        for entry in items("annotations"):
            unit, k = slices.get(str(entry["image_id"])) or ("", None)  # of no image: "" is no unit
            yield unit, canonical(entry | {"id": 0, "image_id": k, "category_id": names[entry["category_id"]]})

    units: DiskMap[tuple[Any, list[Any]]] = DiskMap()
    for unit, group in groupby(spelled(), key=itemgetter(0)):  # two groups a unit, unless somebody shuffled the list
        before = units.get(unit)
        units[unit] = (before[0] if before else Counter()) + Counter(text for _, text in group), []
    return units, {category["name"]: category["codes"] for category in categories if "codes" in category}


def _check_croissant(root: Path) -> Iterator[Fault]:
    """The description's files are the lists beside it."""
    try:
        files = parse(read_plain(root / CROISSANT, follow=False))["distribution"]
        named = {(str(file["contentUrl"]), str(file["sha256"])) for file in files}
    except OSError:
        yield Fault("file-missing", "the description can't be read", CROISSANT)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        yield Fault(_CODE, f"not a description as a run writes it ({type(error).__name__})", CROISSANT)
    else:
        lists = (name for name in (MONAI, COCO) if is_plain(root / name, follow=False))
        there = {(name, sha256_of_plain(root / name, follow=False)) for name in lists}
        if named != there:
            yield Fault(_CODE, "its digests aren't those of monai.json and coco.json", CROISSANT)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


# Lists whose entries are compared one by one, where numbers of classes may have shifted; others by their bytes alone.
ENTRIES: Mapping[str, EntryReader] = {MONAI: _of_monai, COCO: _of_coco}
