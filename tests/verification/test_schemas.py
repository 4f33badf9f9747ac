"""docs/schemas describe what a run writes, and refuse what it never would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from medaug.audit.decisions import Decision, DecisionLine, spell
from medaug.audit.record import to_data
from medaug.audit.seal import read_seal
from medaug.storage.canonical_json import parse
from tests.support.paths import ROOT
from tests.support.records import failed

SCHEMAS = ROOT / "docs" / "schemas"


def validator(name: str) -> Draft202012Validator:
    contents = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry: Registry[Any] = Registry().with_resources(
        (name, Resource.from_contents(content)) for name, content in contents.items()
    )
    schema = contents[f"{name}.schema.json"]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=registry)


def real(out: Path, name: str) -> list[Any]:
    """All documents of a kind in a real OUTPUT."""
    match name:
        case "record":
            return [parse(path.read_bytes()) for path in out.glob("variants/*/record.json")]
        case "ledger-line":
            return [parse(line) for path in out.glob("ledger/*") for line in path.read_bytes().splitlines()]
        case "decision-line":
            said = Decision("a" * 64, "rejected", "Ada", "anatomy", "b" * 64, "2026-01-02T03:04:05.000+00:00", "page")
            return [parse(spell(DecisionLine("0" * 64, said, said.made)))]
        case "format":
            return [parse((out / "FORMAT.json").read_bytes())]
        case "seal":
            return [parse((out / "seal.json").read_bytes())]
    return [parse(read_seal(out).payload)]


NAMES = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.json"))


def test_there_are_schemas() -> None:
    assert NAMES == ["decision-line", "format", "ledger-line", "record", "seal", "seal-payload"]


@pytest.mark.parametrize("name", NAMES)
def test_real_documents_are_valid(sound: Path, name: str) -> None:
    documents = real(sound / "out", name)
    assert documents
    for document in documents:
        assert [error.message for error in validator(name).iter_errors(document)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_and_an_unknown_key_are_not(sound: Path, name: str) -> None:
    document = real(sound / "out", name)[0]
    assert not validator(name).is_valid(document | {"extra": 1})
    for key in document:
        assert not validator(name).is_valid({k: v for k, v in document.items() if k != key}), key


def test_a_record_that_ended_early_is_valid_and_one_that_contradicts_its_status_is_not() -> None:
    document = json.loads(json.dumps(to_data(failed(geometry=None, boxes=(), recipe={}))))
    assert validator("record").is_valid(document)
    assert not validator("record").is_valid(document | {"code": ""})
    assert not validator("record").is_valid(document | {"status": "written", "code": ""})
