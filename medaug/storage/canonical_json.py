"""One spelling for a JSON value, so that equal values have equal digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from numbers import Integral, Real
from typing import Any

import rfc8785

from medaug.storage.disk_map import Reiterable

BLOCK = 1 << 16  # characters


def canonical(value: Any) -> bytes:
    """Encode a JSON value canonically: keys sorted by UTF-16 code unit, no spaces, shortest numbers, UTF-8.

    Tuples are arrays; NumPy's scalars are numbers.

    Raises:
        ValueError: a number that JSON can't carry exactly (NaN, infinite, an integer beyond ±(2^53 − 1): store that as
            a string), a lone surrogate, a key that is not a string, or a type that JSON doesn't have.

    Source: RFC 8785 (JSON Canonicalization Scheme).
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        pass  # a number of NumPy, or what is refused
    try:
        return rfc8785.dumps(_plain(value))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"canonical JSON: {error}; expected finite numbers, and what else JSON can carry") from None


def document(value: Any) -> Iterator[bytes]:
    """A file of canonical JSON and a line break, in blocks: as `canonical` spells it, but never in memory whole.

    A `Reiterable` is an array, whose items are spelled one at a time.

    Raises:
        ValueError: as `canonical` does.
    """
    yield from blocks(chain(_parts(value), "\n"))


def blocks(parts: Iterable[str]) -> Iterator[bytes]:
    """Many short texts as few blocks of UTF-8."""
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= BLOCK:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode()


def parse(text: str | bytes) -> Any:
    """Read JSON that leaves nothing to a reader's taste: no repeated key, no NaN.

    Raises:
        ValueError: not such JSON; the message holds nothing of the text.
    """
    try:
        return json.loads(text, object_pairs_hook=distinct_keys, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON (UTF-8, each key once, finite numbers)") from None


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members, for `json`'s object_pairs_hook.

    Raises:
        ValueError: a key stands twice.
    """
    if len(dict(pairs)) != len(pairs):
        raise ValueError("repeated key")
    return dict(pairs)


def no_constant(constant: str) -> Any:
    """For `json`'s parse_constant.

    Raises:
        ValueError: always: NaN and the infinities are no JSON.
    """
    raise ValueError(constant)


def _parts(value: Any) -> Iterator[str]:
    """What `canonical` gives, in parts where a `Reiterable` is not further down than in an object or a `Reiterable`."""
    if isinstance(value, Reiterable):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _parts(item)
        yield "]"
    elif isinstance(value, Mapping) and any(isinstance(item, Reiterable) for item in value.values()):
        yield "{"
        for number, key in enumerate(sorted(value, key=lambda key: key.encode("utf-16-be"))):
            yield f"{',' if number else ''}{canonical(key).decode()}:"
            yield from _parts(value[key])
        yield "}"
    else:
        yield canonical(value).decode()


def _plain(value: Any) -> Any:
    """With Python's own numbers and dictionaries; what is none of JSON's is left to be refused."""
    match value:
        case bool():
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
