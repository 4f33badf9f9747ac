"""From plain JSON data to frozen dataclasses: every key named, none unknown, no type guessed."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def decode(kind: Any, data: Any, where: str) -> Any:
    """Build a value of type ``kind`` from parsed JSON.

    Understands str, bool, int, float (an integer is a float's whole spelling), None, Literal, unions with None,
    tuples, string-keyed mappings, and dataclasses of these. A dataclass needs all of its keys, but for
    fields whose metadata say ``optional``, and takes no others.

    Args:
        kind: the type.
        data: what `json.loads` gave.
        where: names the place in messages, such as ``record.outputs[3]``.

    Raises:
        ValueError: names the place, what was expected and what was found.
    """
    if is_dataclass(kind):
        return _dataclass(kind, data, where)
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        rest = [option for option in get_args(kind) if option is not types.NoneType]
        return None if data is None else decode(rest[0], data, where)
    if origin is Literal:
        return _expect(data in get_args(kind), data, f"one of {', '.join(get_args(kind))}", where)
    if origin is tuple:
        return _tuple(get_args(kind), data, where)
    if origin in {dict, Mapping}:
        _expect(isinstance(data, dict), data, "an object", where)
        return {key: decode(get_args(kind)[1], value, f"{where}.{key}") for key, value in data.items()}
    return data if kind is Any else _scalar(kind, data, where)


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _dataclass(kind: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), data, "an object", where)
    names = [field.name for field in fields(kind) if field.name in data or not field.metadata.get("optional")]
    for problem, keys in (("missing", set(names) - set(data)), ("unknown", set(data) - set(names))):
        if keys:
            raise ValueError(f"{where}: {problem} keys: {', '.join(sorted(keys))}")
    return kind(**{name: decode(_hints(kind)[name], data[name], f"{where}.{name}") for name in names})


def _tuple(kinds: Sequence[Any], data: Any, where: str) -> tuple[Any, ...]:
    _expect(isinstance(data, list), data, "an array", where)
    if kinds[-1] is not Ellipsis and len(data) != len(kinds):
        raise ValueError(f"{where}: expected {len(kinds)} items, found {len(data)}")
    each = [kinds[0]] * len(data) if kinds[-1] is Ellipsis else kinds
    return tuple(decode(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(each, data, strict=True)))


def _scalar(kind: Any, data: Any, where: str) -> Any:
    if kind is float and type(data) is int:
        return float(data)
    return _expect(type(data) is kind, data, kind.__name__, where)


def _expect(holds: bool, data: Any, expected: str, where: str) -> Any:
    if not holds:
        raise ValueError(f"{where}: expected {expected}, found {type(data).__name__}")
    return data
