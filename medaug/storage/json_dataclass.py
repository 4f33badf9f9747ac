"""From JSON to frozen dataclasses: every key named, none unknown, no type guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medaug.storage.canonical_json import parse

WORDS = {  # pydantic's → JSON's
    "a valid array": "an array",
    "a valid string": "a text",
    "a valid number": "a number",
    "a valid integer": "a whole number",
}


def decode(kind: Any, text: str | bytes, where: str, *, by_hand: bool = False) -> Any:
    """Build a value of type ``kind`` from JSON.

    Nothing is converted but arrays to tuples, and integers to floats where floats are expected. A dataclass needs all
    of its keys, but for fields whose metadata say ``optional``, and takes no others.

    Args:
        kind: a dataclass, or a tuple of them.
        text: the JSON.
        where: names the place in messages, such as ``record``.
        by_hand: written by a person: keys with a default may be left out, and messages show the value.

    Raises:
        ValueError: names the place, what was expected and what was found.
    """
    data = parse(text)
    try:
        value = _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError(_sentence(error, where, by_hand)) from None
    _check_keys(value, data, where, by_hand)
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _check_keys(value: Any, data: Any, where: str, by_hand: bool) -> None:
    if isinstance(value, tuple):
        for n, (item, given) in enumerate(zip(value, data, strict=True)):
            _check_keys(item, given, f"{where}[{n}]", by_hand)
    if not is_dataclass(value):
        return
    known, needed = _keys(type(value))  # type: ignore[arg-type]  # classes are hashable
    for problem, keys in (("missing", set() if by_hand else needed - data.keys()), ("unknown", data.keys() - known)):
        if keys:
            raise ValueError(f"{where}: {problem} keys: {_listed(keys)}; expected {_listed(known)}")
    for name, given in data.items():
        if isinstance(given, dict | list):
            _check_keys(getattr(value, name), given, f"{where}.{name}", by_hand)


@cache
def _keys(kind: Any) -> tuple[frozenset[str], frozenset[str]]:
    """All, and those that can't be left out."""
    known = fields(kind)
    return frozenset(f.name for f in known), frozenset(f.name for f in known if not f.metadata.get("optional"))


def _sentence(error: ValidationError, where: str, by_hand: bool) -> str:
    """The first problem; keys that are missing in one place are named together."""
    problems = error.errors(include_url=False)
    first = problems[0]
    if first["type"] == "missing":
        parent = first["loc"][:-1]
        keys = (str(p["loc"][-1]) for p in problems if p["type"] == "missing" and p["loc"][:-1] == parent)
        return f"{_place(parent, where)}: missing keys: {_listed(keys)}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])  # of a dataclass, which names the place itself
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Tuple should have ")
    shown = repr(first["input"]) if by_hand else type(first["input"]).__name__
    return f"{_place(first['loc'], where)}: expected {WORDS.get(expected, expected)}, found {shown}"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(keys))


def _place(keys: Sequence[int | str], where: str) -> str:
    return where + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
