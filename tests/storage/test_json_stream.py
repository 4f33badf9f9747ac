from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import BLOCK, canonical, document
from medaug.storage.disk_map import Reiterable
from medaug.storage.json_stream import array_items, other_members

DATA: dict[str, Any] = {
    "a": [],
    "b": [1, "x", {"y": [2, 3]}, [], 1.5, None],
    "c": {"d": [1]},
    "e": ']}\\" ä',
    "long": ["z" * 3 * BLOCK, 7],
}


def again(value: Any) -> Any:
    """Every array that is not inside of one as a `Reiterable`."""
    if isinstance(value, dict):
        return {key: again(item) for key, item in value.items()}
    return Reiterable(lambda: iter(value)) if isinstance(value, list) else value


def test_a_document_in_parts_has_the_bytes_of_one_that_is_whole(tmp_path: Path) -> None:
    parts = list(document(again(DATA)))
    assert b"".join(parts) == canonical(DATA) + b"\n"
    assert len(parts) > 1
    assert replace_file(tmp_path / "x", document(again(DATA))).read_bytes() == canonical(DATA) + b"\n"


def test_an_error_while_the_parts_are_made_leaves_the_old_file(tmp_path: Path) -> None:
    path = replace_file(tmp_path / "x", b"old")
    with pytest.raises(ValueError, match="finite"):
        replace_file(path, document({"a": again([*["fine"] * BLOCK, float("nan")])}))
    assert [found.name for found in tmp_path.iterdir()] == ["x"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("indent", [None, 2])
def test_rows_are_read_one_by_one(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(DATA, indent=indent, ensure_ascii=False), encoding="utf-8")
    for key in ("a", "b", "long"):
        assert list(array_items(path, key)) == DATA[key]
    assert other_members(path) == {"c": DATA["c"], "e": DATA["e"]}
    for key in ("c", "nothing"):
        with pytest.raises(ValueError, match="expected an array"):
            list(array_items(path, key))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a":[1,2]',
        '{"a":[1 2]}',
        '{"a":[1],"a":[2]}',
        '{"a":[{"b":1,"b":2}]}',
        '{"a":[NaN]}',
        '{"a":[1]} x',
        '["a"]',
        '{"a":[1,]}',
        '{"a":[' + "[" * 5000,
        "{1:[2]}",
        '{"a":[1],}',
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="expected"):
        list(array_items(path, "a"))
