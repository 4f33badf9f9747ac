"""JSON of other tools: parsed within bounds, and looked into with errors that say where."""

from __future__ import annotations

import json
from pathlib import Path

from medaug.annotations.files import MAX_TEXT, number, read_text
from medaug.errors import AnnotationError


def parsed(path: Path, where: str, limit: int = MAX_TEXT) -> object:
    """The content of a JSON file; NaN and infinity are no numbers.

    Raises:
        AnnotationError: too large, not UTF-8, or not JSON.
    """

    def refuse(_: str) -> float:
        raise ValueError

    try:
        return json.loads(read_text(path, where, limit), parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise AnnotationError(f"{where}: line {error.lineno}: expected JSON; check the file") from None
    except (ValueError, RecursionError):
        raise AnnotationError(f"{where}: expected finite numbers and shallow nesting; check the file") from None


def get(entry: object, key: str, where: str) -> object:
    """``entry[key]``, when it is an object that has one."""
    if not isinstance(entry, dict) or key not in entry:
        raise AnnotationError(f"{where}: expected an object with {key!r}")
    return entry[key]


def listed(entry: object, key: str, where: str) -> list[object]:
    """The list ``entry[key]``."""
    found = get(entry, key, where)
    if not isinstance(found, list):
        raise AnnotationError(f"{where}: expected a list for {key!r}")
    return found


def numbers(value: object, count: int, where: str, what: str) -> tuple[float, ...]:
    """A list of exactly ``count`` finite numbers."""
    if not isinstance(value, list) or len(value) != count:
        raise AnnotationError(f"{where}: expected {count} numbers for {what}")
    return tuple(number(n, where, what) for n in value)


def json_files(path: Path, suffix: str = ".json") -> list[Path]:
    """The files of a path with a suffix, in order."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.name.lower().endswith(suffix) and p.is_file())
