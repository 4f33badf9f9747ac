"""private/names.tsv: the owner's way from a hash to a file; nobody else's, and nothing depends on it."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

import medaug
from medaug.audit.layout import NAMES
from medaug.execution.output import names
from medaug.execution.output.lists import write_lists
from medaug.execution.output.open import attach
from medaug.execution.planning.naming import Naming
from medaug.verification.verify import verify
from tests.support import null
from tests.support.small_runs import boxes, export, small_profile


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("names")
    export(folder / "in")
    labels, profile = boxes(folder / "b.json"), small_profile(folder)
    return {
        "input": folder / "in", "output": folder / "out", "annotations": labels, "profile": profile,
        "accept_identity": "drawn here", "device": "cpu", "variants": 2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def output(given: dict[str, Any]) -> Path:
    medaug.run(**given)
    return Path(given["output"])


def rows(output: Path) -> list[dict[str, str]]:
    plan, head, *lines = (output / NAMES).read_text().splitlines()
    assert plan == f"# plan.json {hashlib.sha256((output / 'plan.json').read_bytes()).hexdigest()}"
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_each_hash_of_a_list_or_record_finds_its_file(given: dict[str, Any], output: Path) -> None:
    found = {row["file"]: row for row in rows(output)}
    assert sorted(found) == ["xray/x1.dcm", "xray/x2.dcm"]
    for file, row in found.items():
        assert row["sha256"] == hashlib.sha256((given["input"] / file).read_bytes()).hexdigest()
    listed = json.loads((output / "monai.json").read_text())["training"]
    assert len(listed) == 4
    for item in listed:
        said = item["medaug"]
        (row,) = [row for row in found.values() if said["unit"] in row["units"].split(" ")]
        assert (row["name"], row["sha256"]) == (said["source_name"], said["source_sha256"])
        record = json.loads((output / "variants" / said["unit"][:16] / "record.json").read_text())
        assert record["source"]["key"] == row["source"]


def test_only_the_owner_reads_it_and_nothing_else_holds_a_name(output: Path) -> None:
    path = output / NAMES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    digest = hashlib.sha256(path.read_bytes()).hexdigest().encode()
    for other in output.rglob("*"):
        if other.is_file() and other != path:
            held = other.read_bytes()
            assert b"x1.dcm" not in held, other.name
            assert digest not in held, other.name


def test_verify_says_the_same_with_it_changed_and_gone(given: dict[str, Any], output: Path) -> None:
    path = output / NAMES
    before = path.read_bytes()
    assert verify(output).faults == ()
    path.write_bytes(b"another")
    assert verify(output).faults == ()
    path.unlink()
    assert verify(output).faults == ()
    write_lists(attach(output))  # finish, and nobody asked for names
    assert not path.exists()
    (path.parent / ".names.tsv.1").write_text("of a run that was killed")
    medaug.run(**given)
    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == ["key", "names.tsv"]
    untouched = path.stat().st_mtime_ns
    medaug.run(**given)
    assert path.stat().st_mtime_ns == untouched
    path.write_text("# plan.json of another plan\n")
    medaug.run(**given)
    assert path.read_bytes() == before
    medaug.run(**given, plain_names=True)
    assert [row["name"] for row in rows(output)] == [row["file"] for row in rows(output)]


def test_a_line_stays_a_line_whatever_a_file_is_called() -> None:
    assert names._line(("a\tb\nc\\d\re", "ü\udcff")) == b"a\\tb\\nc\\\\d\\re\t\xc3\xbc\xff\n"


def test_a_donor_that_is_no_host_has_its_line(tmp_path: Path) -> None:
    from dataclasses import replace

    from medaug.execution.planning.units import PlannedDonor

    null.run(tmp_path / "out", 1)
    (tmp_path / "out" / NAMES).unlink()
    files = (tmp_path / "in" / "host.png",), (tmp_path / "in" / "donor.png",)
    one, other = (
        replace(each, reference=replace(each.reference, files=paths))
        for each, paths in zip((null.unit(1), null.unit(2)), files, strict=True)
    )
    given = PlannedDonor(other.source, other.reference, other.boxes[0], "1.2")
    naming = Naming(tmp_path / "in", tmp_path / "out")
    names.write_names(attach(tmp_path / "out"), (replace(one, donor=given),), naming)
    host, donor = rows(tmp_path / "out")
    assert (host["file"], host["units"]) == ("host.png", one.recipe.id)
    assert (donor["file"], donor["units"], donor["source"]) == ("donor.png", "", other.reference.key)
