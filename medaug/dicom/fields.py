"""Values out of a data set: stripped, finite, and never an exception of pydicom's own."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from collections.abc import Sequence as Items
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from medaug.dicom.raw_items import Item, base_tag, items_of
from medaug.errors import ReadError

Elements = Dataset | Item
BINARY = {"FD": "d", "FL": "f", "UL": "L", "US": "H"}  # VR → struct's code
DECIMALS = re.compile(rb"[-+.0-9eE\\ ]+")
UID_SHAPE = re.compile(r"[0-9]+(\.[0-9]+)*")


def value(ds: Elements, keyword: str) -> Any:
    """The element's value, or None when it is absent or empty.

    Raises:
        ReadError: ``bad-value``; the message names the element, not what it holds.
    """
    try:
        tag = tag_of(keyword)
        found = ds[tag].value if tag in ds.keys() else None  # noqa: SIM118 - its own lookup takes long
    except Exception as error:  # pydicom converts on access and raises whatever the value provokes
        raise _bad(keyword) from error
    return None if found is None or found == "" else found


def stated(ds: Elements, keyword: str) -> bool:
    """Whether the element is there and not empty, whatever it holds."""
    tag = tag_of(keyword)
    return tag in ds and ds.get_item(tag).value not in (None, b"", "")


def text(ds: Elements, keyword: str) -> str:
    """The value as stripped text; ``""`` when absent; several values joined by a backslash."""
    found = value(ds, keyword)
    if found is None:
        return ""
    several = isinstance(found, Iterable) and not isinstance(found, str | bytes) and not hasattr(found, "components")
    return "\\".join(str(part).strip() for part in found) if several else str(found).strip()


def texts(ds: Elements, keyword: str) -> tuple[str, ...]:
    """The values as stripped texts."""
    joined = text(ds, keyword)
    return tuple(joined.split("\\")) if joined else ()


def items(ds: Elements, keyword: str) -> Items[Elements]:
    """The items of a sequence, as they are and not copied: there may be thousands; empty when absent.

    Raises:
        ReadError: ``bad-value`` when the element is no sequence.
    """
    if isinstance(ds, Item) and (tag := tag_of(keyword)) in ds:
        split = items_of(ds.get_item(tag), ds.encoding)
        if split is not None:
            return split
    sequence = value(ds, keyword)
    if sequence is None or sequence == []:  # pydicom reads a sequence without items as a plain list
        return ()
    if not isinstance(sequence, Sequence):
        raise _bad(keyword)
    return sequence


def uid(ds: Elements, keyword: str, *, required: bool = True) -> str:
    """The UID, or ``""`` when it is absent and not required.

    Raises:
        ReadError: ``missing-attribute``, or ``bad-value`` when it is no UID: UIDs end up in messages and records, so
            free text must not pass for one.
    """
    found = text(ds, keyword)
    if not found:
        if required:
            raise _missing(keyword)
        return ""
    if len(found) > 64 or not UID_SHAPE.fullmatch(found):
        raise _bad(keyword)
    return found


def numbers(ds: Elements, keyword: str, count: int | None = None) -> tuple[float, ...]:
    """The values as finite floats; empty when absent.

    Raises:
        ReadError: ``bad-value`` when one is no finite number, or there are not ``count`` of them.
    """
    tag = tag_of(keyword)
    found: Any = _stored_numbers(ds.get_item(tag)) if tag in ds.keys() else None  # noqa: SIM118 - as in `value`
    found = value(ds, keyword) if found is None else found
    if found is None:
        return ()
    single = isinstance(found, float | int | str) or not isinstance(found, Iterable)
    try:
        out = (float(found),) if single else tuple(map(float, found))
    except (TypeError, ValueError) as error:
        raise _bad(keyword) from error
    if not all(map(math.isfinite, out)) or (count is not None and len(out) not in {0, count}):
        raise _bad(keyword)
    return out


def number(ds: Elements, keyword: str) -> float | None:
    """The first value as a finite float, or None when absent."""
    found = numbers(ds, keyword)
    return found[0] if found else None


def integer(ds: Elements, keyword: str) -> int:
    """The value as a whole number.

    Raises:
        ReadError: ``missing-attribute`` or ``bad-value``.
    """
    found = number(ds, keyword)
    if found is None:
        raise _missing(keyword)
    if found != int(found):
        raise _bad(keyword)
    return int(found)


def required(ds: Elements, keyword: str, count: int) -> tuple[float, ...]:
    """Exactly ``count`` finite numbers.

    Raises:
        ReadError: ``missing-attribute`` or ``bad-value``.
    """
    found = numbers(ds, keyword, count)
    if not found:
        raise _missing(keyword)
    return found


def _stored_numbers(element: object) -> tuple[float, ...] | None:
    """The numbers of an element that wasn't converted yet, or None where it takes more than this to say.

    pydicom makes an object of every number, which takes twenty times as long: seconds for the places of 20,000 frames.
    """
    if not isinstance(element, RawDataElement) or not element.value:
        return None
    vr, stored = element.VR or _vr(element.tag), element.value
    try:
        if vr == "DS":
            return tuple(map(float, stored.decode().split("\\"))) if DECIMALS.fullmatch(stored) else None
        order, code = "<" if element.is_little_endian else ">", BINARY[vr]
        return tuple(float(number) for (number,) in struct.iter_unpack(order + code, stored))
    except (KeyError, ValueError, struct.error):
        return None


@cache
def _vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


@cache
def tag_of(keyword: str) -> BaseTag:
    """Asking by tag costs a third of asking by keyword, and an inventory asks a million times."""
    return base_tag(int(Tag(keyword)))


def _missing(keyword: str) -> ReadError:
    return ReadError(f"{keyword} is missing; export the series with it", code="missing-attribute")


def _bad(keyword: str) -> ReadError:
    return ReadError(f"{keyword} holds a value that can't be used; export the series again", code="bad-value")
