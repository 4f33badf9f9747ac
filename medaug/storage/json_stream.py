"""Large JSON objects read item by item: what of a list is needed, with one item of it in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from medaug.storage.canonical_json import distinct_keys, no_constant
from medaug.storage.plain_files import open_plain, text_of

BLOCK = 1 << 16  # characters
MAX_ITEM = 64 << 20  # characters of one value
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder(object_pairs_hook=distinct_keys, parse_constant=no_constant)


def array_items(path: Path, name: str) -> Iterator[Any]:
    """The items of the array ``name`` of an object that fills a file.

    Raises:
        OSError: the file can't be read.
        ValueError: not such JSON (see `canonical.parse`), or there is no such array; the message holds nothing of it.
    """
    there = False
    for key, item, inside in _members(path):
        if key == name and not inside:
            raise ValueError("expected an array")
        if key == name and inside is not _START:
            yield item
        there |= key == name
    if not there:
        raise ValueError("expected an array that isn't there")


def other_members(path: Path) -> dict[str, Any]:
    """The members of an object that fills a file, without those that are arrays.

    Raises:
        OSError: the file can't be read.
        ValueError: not such JSON.
    """
    return {key: value for key, value, inside in _members(path) if not inside}


_START = object()  # of an array: told once, so that empty ones are there, too


def _members(path: Path) -> Iterator[tuple[str, Any, Any]]:
    """Key, value, and whether the value is an item of an array that the key has."""
    with text_of(open_plain(path, follow=False)) as file:
        text = _Text(file)
        seen: set[str] = set()
        text.take("{")
        while text.peek() != "}":
            if seen:
                text.take(",")
            key = text.value()
            if not isinstance(key, str) or key in seen:
                raise ValueError("expected JSON with each key once")
            seen.add(key)
            text.take(":")
            if text.peek() == "[":
                yield key, None, _START
                yield from ((key, item, True) for item in text.items())
            else:
                yield key, text.value(), False
        text.take("}")
        if text.peek():
            raise ValueError("expected the end of the file")


class _Text:
    """A file's text, of which a block and the item at hand are in memory."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._text, self._at = file, "", 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def take(self, character: str) -> None:
        """Step over what must come next."""
        if self.peek() != character:
            raise ValueError("expected JSON (UTF-8)")
        self._at += 1

    def value(self) -> Any:
        """The next value; it is whole when something follows it."""
        self.peek()
        while True:
            try:
                item, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError):
                end = -1
            if 0 <= end < len(self._text):
                self._at = end
                return item
            if not self._more():
                raise ValueError("expected JSON (UTF-8, each key once, finite numbers)")

    def items(self) -> Iterator[Any]:
        """The items of an array that begins here."""
        self.take("[")
        first = True
        while self.peek() != "]":
            if not first:
                self.take(",")
            yield self.value()
            first = False
        self.take("]")

    def _more(self) -> bool:
        """One more block, at least as long as what is there: a long item is tried few times."""
        rest = self._text[self._at :]
        if len(rest) > MAX_ITEM:
            raise ValueError("expected items of a moderate length")
        block = self._file.read(max(BLOCK, len(rest)))
        self._text, self._at = rest + block, 0
        return bool(block)
