from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medaug.audit import keys, layout, ledger, output_files
from medaug.audit.merkle import files_root
from medaug.audit.recorded_source import Transplanted
from medaug.audit.seal import PAYLOAD_TYPE, encoded, read_seal, seal, signed_by
from medaug.audit.segments import all_segments, head
from medaug.errors import OutputError
from medaug.imaging.graft import GREY, Graft, GreyMap
from tests.support.records import failed, record


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for name in (
        "variants/0123456789abcdef/image/0001.dcm",
        "monai.json",
        "profile.yaml",
        "private/key",
        ".staging/x/y",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "FORMAT.json").write_text('{"format":"medaug-output","version":2,"created":"2026-01-02","run":"ab"}')
    for writer, built in (("w1", record("a")), ("w1", failed("b")), ("w2", record("c"))):
        ledger.append(root / layout.LEDGER, writer, built, 1.0)
    return root


def statement(root: Path) -> Any:
    return json.loads(read_seal(root).payload)


def test_a_seal_names_every_result_and_every_segment(root: Path) -> None:
    seal(root)
    sealed = read_seal(root)
    names = ["FORMAT.json", "monai.json", "profile.yaml", "variants/0123456789abcdef/image/0001.dcm"]
    assert list(output_files.take(root).results) == names
    assert sealed.root == files_root(output_files.digests(root, names))
    assert sealed.files == 4
    assert sorted(sealed.tops) == names[:3]
    assert sealed.segments == tuple(head(path) for path in all_segments(root / "ledger"))
    assert [segment.lines for segment in sealed.segments] == [2, 1]
    assert sealed.signatures == ()


def test_it_is_an_in_toto_statement_with_slsa_provenance(root: Path) -> None:
    """The fields that the specifications require, with their types."""
    seal(root)
    envelope = json.loads((root / "seal.json").read_text())
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == PAYLOAD_TYPE == "application/vnd.in-toto+json"
    found = statement(root)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert all(subject["digest"] and subject["name"] for subject in found["subject"])
    definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert ":" in definition["buildType"]
    assert isinstance(definition["externalParameters"], dict)
    assert ":" in details["builder"]["id"]
    assert details["builder"]["version"] == {"medaug": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0+cpu"}
    assert details["metadata"] == {"invocationId": "ab", "startedOn": "2026-01-02"}
    assert [d["name"] for d in definition["resolvedDependencies"]] == ["sources", "radiograph-256"]


def test_the_seal_names_the_file_that_a_lesion_was_set_in_from(root: Path) -> None:
    seal(root)
    without = statement(root)["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    host = record("d")
    graft = Graft((10, 14, 20, 26), (0, 0), (8, 16, 18, 28), GreyMap(GREY, 0, 0, 255))
    made = {name: Transplanted(record(name).source, "", host.boxes[0], graft, host.boxes) for name in ("e", "f")}
    found = []
    for donor in made.values():
        records = [record("a"), replace(host, transplant=donor)]
        seal(root, records=records)
        found.append(statement(root)["predicate"]["buildDefinition"]["resolvedDependencies"][0])
    assert len({json.dumps(each) for each in (without, *found)}) == 3


def test_the_secret_of_the_run_is_never_sealed(root: Path) -> None:
    seal(root)
    before = (root / "seal.json").read_bytes()
    (root / "private" / "key").write_text("another")
    (root / ".staging" / "z").write_text("new")
    seal(root)
    assert (root / "seal.json").read_bytes() == before
    assert b"private" not in read_seal(root).payload


def test_sealing_again_replaces_the_seal(root: Path) -> None:
    seal(root)
    first = read_seal(root)
    (root / "monai.json").write_text("another")
    ledger.append(root / layout.LEDGER, "w2", failed("d"), 1.0)
    seal(root)
    second = read_seal(root)
    assert first.root != second.root
    assert [s.lines for s in second.segments] == [2, 2]
    assert first.segments[0] == second.segments[0]


def test_a_signature_is_checked_with_the_key_that_is_given(root: Path, tmp_path: Path) -> None:
    private, public = keys.new_keys(tmp_path / "mine")
    _, other = keys.new_keys(tmp_path / "other")
    seal(root, key=private)
    sealed = read_seal(root)
    assert sealed.signatures[0].keyid == keys.key_id(keys.load_public(public))
    assert signed_by(sealed, keys.load_public(public))
    assert not signed_by(sealed, keys.load_public(other))
    seal(root)
    assert not signed_by(read_seal(root), keys.load_public(public))


def test_a_changed_payload_has_no_signature(root: Path, tmp_path: Path) -> None:
    private, public = keys.new_keys(tmp_path / "mine")
    seal(root, key=private)
    path = root / "seal.json"
    envelope = json.loads(path.read_text())
    payload = base64.b64decode(envelope["payload"]).replace(b'"files":4', b'"files":5')
    path.write_text(json.dumps(envelope | {"payload": base64.b64encode(payload).decode()}))
    assert read_seal(root).files == 5
    assert not signed_by(read_seal(root), keys.load_public(public))


def test_the_encoding_of_the_dsse_specification() -> None:
    # protocol.md of DSSE: PAE("http://example.com/HelloWorld", "hello world"), with our type in its place
    assert encoded(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_the_payload_is_the_same_for_the_same_folder(root: Path, tmp_path: Path) -> None:
    private, _ = keys.new_keys(tmp_path / "mine")
    assert seal(root, key=private).read_bytes() == seal(root, key=private).read_bytes()  # Ed25519 draws nothing


KIND = f'"payloadType":"{PAYLOAD_TYPE}","signatures":[]'


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"payloadType":"text"}', f'{{{KIND},"payload":"e30="}}', f'{{{KIND},"payload":"?"}}'],
)
def test_what_is_no_seal_is_refused(root: Path, text: str) -> None:
    (root / "seal.json").write_text(text)
    with pytest.raises(ValueError, match="expected"):
        read_seal(root)


def test_only_a_runs_folder_can_be_sealed(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"FORMAT.json is missing"):
        seal(tmp_path)
