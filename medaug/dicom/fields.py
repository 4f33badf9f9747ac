"""Values out of a data set: stripped, finite, and never an exception of pydicom's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, MutableSequence
from functools import cache
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from medaug.errors import ReadError

UID_SHAPE = re.compile(r"[0-9]+(\.[0-9]+)*")


def value(ds: Dataset, keyword: str) -> Any:
    """The element's value, or None when it is absent or empty.

    Raises:
        ReadError: ``bad-value``; the message names the element, not what it holds.
    """
    try:
        tag = _tag(keyword)
        found = ds[tag].value if tag in ds.keys() else None  # noqa: SIM118 - its own lookup takes long
    except Exception as error:  # pydicom converts on access and raises whatever the value provokes
        raise _bad(keyword) from error
    return None if found is None or found == "" else found


def stated(ds: Dataset, keyword: str) -> bool:
    """Whether the element is there and not empty, whatever it holds."""
    tag = _tag(keyword)
    return tag in ds and ds.get_item(tag).value not in (None, b"", "")


def text(ds: Dataset, keyword: str) -> str:
    """The value as stripped text; ``""`` when absent; several values joined by a backslash."""
    found = value(ds, keyword)
    if found is None:
        return ""
    several = isinstance(found, Iterable) and not isinstance(found, str | bytes) and not hasattr(found, "components")
    return "\\".join(str(part).strip() for part in found) if several else str(found).strip()


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """The values as stripped texts."""
    joined = text(ds, keyword)
    return tuple(joined.split("\\")) if joined else ()


def items(ds: Dataset, keyword: str) -> MutableSequence[Dataset]:
    """The items of a sequence, as they are and not copied: there may be thousands; empty when absent.

    Raises:
        ReadError: ``bad-value`` when the element is no sequence.
    """
    found = value(ds, keyword)
    if found is None:
        return []
    if not isinstance(found, Sequence):
        raise _bad(keyword)
    return found


def uid(ds: Dataset, keyword: str, *, required: bool = True) -> str:
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


def numbers(ds: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...]:
    """The values as finite floats; empty when absent.

    Raises:
        ReadError: ``bad-value`` when one is no finite number, or there are not ``count`` of them.
    """
    found = value(ds, keyword)
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


def number(ds: Dataset, keyword: str) -> float | None:
    """The first value as a finite float, or None when absent."""
    found = numbers(ds, keyword)
    return found[0] if found else None


def integer(ds: Dataset, keyword: str) -> int:
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


def required(ds: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Exactly ``count`` finite numbers.

    Raises:
        ReadError: ``missing-attribute`` or ``bad-value``.
    """
    found = numbers(ds, keyword, count)
    if not found:
        raise _missing(keyword)
    return found


@cache
def _tag(keyword: str) -> BaseTag:
    """Asking by tag costs a third of asking by keyword, and an inventory asks a million times."""
    return Tag(keyword)


def _missing(keyword: str) -> ReadError:
    return ReadError(f"{keyword} is missing; export the series with it", code="missing-attribute")


def _bad(keyword: str) -> ReadError:
    return ReadError(f"{keyword} holds a value that can't be used; export the series again", code="bad-value")
