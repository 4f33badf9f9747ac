"""Which value classes are at hand while a command works: arguments of the calls that are under way at certain ones."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import FrameType
from typing import Any
from unittest import mock

from pydantic import BaseModel


@contextmanager
def values_at(calls: Sequence[tuple[Any, str]]) -> Iterator[dict[str, set[str]]]:
    """Name of a call → the package's value classes among the arguments of all that is under way when it is made.

    Args:
        calls: a module or class, and the name of a function in it.
    """
    found: dict[str, set[str]] = {name: set() for _, name in calls}
    with ExitStack() as stack:
        for home, name in calls:
            stack.enter_context(mock.patch.object(home, name, _watched(getattr(home, name), found[name])))
        yield found


def _watched(function: Any, found: set[str]) -> Any:
    @wraps(function)
    def watched(*given: Any, **named: Any) -> Any:
        found.update(filter(None, map(_value_class, (*given, *named.values()))))
        for frame in _stack(inspect.currentframe()):
            found.update(_classes(frame))
        return function(*given, **named)

    return watched


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _classes(frame: FrameType) -> Iterator[str]:
    code = frame.f_code
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        if found := _value_class(frame.f_locals.get(name)):
            yield found


def _value_class(value: object) -> str:
    """The name of a value's class, or of a sequence's first; "" for what is no value of medaug's."""
    kind = type(value[0] if isinstance(value, list | tuple) and value else value)
    is_value = dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel) or hasattr(kind, "_fields")
    return kind.__name__ if is_value and kind.__module__.startswith("medaug.") else ""
