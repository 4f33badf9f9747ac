"""docs/format.md is a contract: it names every key that is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from medaug.audit import ledger
from medaug.audit.record import RecordStatus
from medaug.manifests.coco import write_coco
from medaug.manifests.monai import write_monai
from tests.support.paths import ROOT
from tests.support.records import failed, record

TEXT = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")


def keys(value: Any, opaque: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from () if key in opaque else keys(inner, opaque)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, opaque)


def test_every_key_of_a_record_is_described() -> None:
    names = set(keys(json.loads(record().to_json()), opaque=("recipe", "versions")))
    assert len(names) > 40
    assert not [name for name in names if f"`{name}`" not in TEXT]


def test_every_status_is_described() -> None:
    assert all(f"`{status}`" in TEXT for status in get_args(RecordStatus))


@pytest.mark.parametrize("write", [write_monai, write_coco])
def test_every_key_of_a_list_is_described(tmp_path: Path, write: Any) -> None:
    names = set(keys(json.loads(write([record()], tmp_path).read_text()), opaque=("labels", "info")))
    assert not [name for name in names - {"info"} if f"`{name}`" not in TEXT]


def test_the_documented_reader_reads_a_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ledger"
    for writer, built in (("w1", record("a")), ("w2", record("a")), ("w1", record("b")), ("w2", failed("b"))):
        ledger.append(folder, writer, built, 1.0)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert {unit: found["status"] for unit, found in names["records"].items()} == {
        record("a").unit: "written",
        record("b").unit: "written",
    }
    path = folder / "w1.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"variant":0', b'"variant":1'))
    with pytest.raises(AssertionError):
        exec(code, {})
