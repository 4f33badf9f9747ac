"""One spelling for a JSON value, so that equal values have equal digests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from numbers import Integral, Real
from typing import Any

from medaug.storage.disk_map import Again

BLOCK = 1 << 16  # characters
EXACT_INTEGERS = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Encode a JSON value canonically: keys sorted by UTF-16 code unit, no spaces, shortest numbers, UTF-8.

    Tuples are arrays; NumPy's scalars are numbers.

    Raises:
        ValueError: a number that JSON can't carry exactly (NaN, infinite, an integer beyond ±(2^53 − 1): store that as
            a string), a lone surrogate, a key that is not a string, or a type that JSON doesn't have.

    Source: RFC 8785 (JSON Canonicalization Scheme).
    """
    return _encode(value).encode("utf-8")


def document(value: Any) -> Iterator[bytes]:
    """A file of canonical JSON and a line break, in blocks: as `canonical` spells it, but never in memory whole.

    An `Again` is an array, whose items are spelled one at a time.

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
    """What `_encode` gives, in parts where an `Again` is not further down than in an object or an `Again`."""
    if isinstance(value, Again):
        yield "["
        for number, item in enumerate(value):
            yield "," if number else ""
            yield from _parts(item)
        yield "]"
    elif isinstance(value, Mapping) and any(isinstance(item, Again) for item in value.values()):
        yield "{"
        for number, key in enumerate(_sorted(value)):
            yield f"{',' if number else ''}{_encode(key)}:"
            yield from _parts(value[key])
        yield "}"
    else:
        yield _encode(value)


def _encode(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case Integral():
            return _integer(int(value))
        case Real():
            return _number(float(value))
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{" + ",".join(f"{_encode(key)}:{_encode(value[key])}" for key in _sorted(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(_encode(item) for item in value) + "]"
    raise ValueError(f"canonical JSON: expected a JSON value, found {type(value).__name__}")


def _sorted(value: Mapping[str, Any]) -> list[str]:
    if not all(isinstance(key, str) for key in value):
        raise ValueError("canonical JSON: expected every key to be a string")
    return sorted(value, key=lambda key: key.encode("utf-16-be"))


def _integer(value: int) -> str:
    if abs(value) > EXACT_INTEGERS:
        raise ValueError("canonical JSON: integers beyond ±(2^53 - 1) lose digits in other readers; store a string")
    return str(value)


def _number(value: float) -> str:
    """ECMAScript's Number::toString: 1.0 is "1", 1e-07 is "1e-7"."""
    if value == 0:
        return "0"
    plain = repr(value)
    if plain in {"nan", "inf", "-inf"}:
        raise ValueError(f"canonical JSON: expected a finite number, found {plain}")
    sign, digits, exponent = Decimal(plain).normalize().as_tuple()
    assert isinstance(exponent, int)
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        body = text.ljust(point, "0") if point >= len(text) else f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        body = f"0.{'0' * -point}{text}"
    else:
        body = f"{text[0]}{'.' if text[1:] else ''}{text[1:]}e{point - 1:+d}"
    return f"-{body}" if sign else body
