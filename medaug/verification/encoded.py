"""The bytes that elements are written as; the same few hundred again and again in the instances of a run."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

Elements = Mapping[BaseTag, DataElement | RawDataElement]
Bytes = tuple[str | None, bytes | None, bool]

MOST = 20_000  # elements whose bytes are kept, of some 300 bytes each
LONG, MOST_ITEMS = 1000, 16  # characters of a value, and values of an element, that are kept
CHARACTERS = Tag("SpecificCharacterSet")
_kept: dict[Hashable, Bytes] = {}


def written(ds: Dataset) -> Dataset:
    """As it is read back once it is written: the same bytes for the same values, whatever the source's encoding."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_dataset(stream, ds)
    stream.seek(0)
    return read_dataset(stream, is_implicit_VR=False, is_little_endian=True)  # type: ignore[arg-type]  # it is enough


def unequal(made: Dataset, tags: Iterable[BaseTag], raw: Elements) -> set[BaseTag]:
    """Those elements of a data set that aren't written as ``raw``, or of which that can't be told so."""
    characters = str(made.get_item(CHARACTERS).value) if CHARACTERS in made else ""
    left: dict[BaseTag, Hashable] = {}
    for tag in tags:
        element = made.get_item(tag)
        key = None if isinstance(element, RawDataElement) else _key(element, characters)
        if (bytes_of(element) if isinstance(element, RawDataElement) else _kept.get(key)) != _raw(raw, tag):
            left[tag] = key
    return left.keys() - _equal_once_written(made, left, raw)


def same_bytes(one: Dataset, other: Dataset, tag: BaseTag) -> bool:
    """Whether both were read with the same bytes there, and nobody looked at either since."""
    mine, theirs = (ds.get_item(tag) if tag in ds else None for ds in (one, other))
    if not (isinstance(mine, RawDataElement) and isinstance(theirs, RawDataElement) and mine.VR):
        return False
    return bytes_of(mine) == bytes_of(theirs)


def bytes_of(element: RawDataElement) -> Bytes:
    """What it holds before it is parsed."""
    return element.VR, element.value, element.is_little_endian


def _equal_once_written(made: Dataset, keys: Mapping[BaseTag, Hashable], raw: Elements) -> set[BaseTag]:
    """Elements that a writer gives the bytes of ``raw``; they are written, and their bytes are kept."""
    tags = [tag for tag, key in keys.items() if key is not None]
    part = Dataset({tag: made.get_item(tag) for tag in {*tags, *([CHARACTERS] if CHARACTERS in made else [])}})
    equal: set[BaseTag] = set()
    again = written(part)
    if len(_kept) > MOST:
        _kept.clear()
    for tag in tags:
        element = again.get_item(tag)
        if isinstance(element, RawDataElement):
            _kept[keys[tag]] = bytes_of(element)
            equal |= {tag} if bytes_of(element) == _raw(raw, tag) else set()
    return equal


def _raw(raw: Elements, tag: BaseTag) -> Bytes | None:
    element = raw.get(tag)
    return bytes_of(element) if isinstance(element, RawDataElement) and element.VR else None


def _key(element: DataElement | RawDataElement, characters: str) -> Hashable:
    """What its bytes follow from; None where they follow from other elements, too, or are many. Nothing is parsed."""
    if element.VR is None or " or " in element.VR:
        return None
    if isinstance(element, RawDataElement):
        short = element.value is None or len(element.value) <= LONG
        return (element.tag, bytes_of(element), element.is_implicit_VR) if short else None
    value = element.value
    if element.VR == "SQ":
        nested = tuple(tuple(_key(each, characters) for each in dict(item.items()).values()) for item in value)
        return None if len(nested) > MOST_ITEMS or any(None in item for item in nested) else (element.tag, nested)
    several = isinstance(value, MultiValue | list | tuple)
    parts = tuple(map(_plain, value)) if several else (_plain(value),)
    short = len(parts) <= MOST_ITEMS and all(len(text) <= LONG for _, text in parts)
    return (element.tag, element.VR, several, parts, characters) if short else None


def _plain(value: Any) -> tuple[str, str | bytes]:
    """A number by the text that is written of it."""
    return type(value).__name__, value if isinstance(value, bytes) else str(value)
