"""One spelling for a JSON value, so that equal values have equal digests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

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


def parse(text: str | bytes) -> Any:
    """Read JSON that leaves nothing to a reader's taste: no repeated key, no NaN.

    Raises:
        ValueError: not such JSON; the message holds nothing of the text.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON (UTF-8, each key once, finite numbers)") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("repeated key")
    return dict(pairs)


def _refused(constant: str) -> Any:
    raise ValueError(constant)


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
