"""The comparison of `tests/benchmarks/same_bytes.py`: no change of OUTPUT passes, and what can't be the same does."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from tests.benchmarks.differences import differences
from tests.benchmarks.same_bytes import state_version

SEGMENT = "output/ledger/segment-1.jsonl"  # as a ledger is named that has one segment


@pytest.fixture
def two(sound: Path, tmp_path: Path) -> tuple[Path, Path]:
    """An OUTPUT twice."""
    for name in ("reference", "candidate"):
        shutil.copytree(sound / "out", tmp_path / name / "output")
    return tmp_path / "reference", tmp_path / "candidate"


def relogged(root: Path) -> None:
    """The ledger as another process would have written it: other name, other clock, and the seal over it."""
    (segment,) = root.glob("output/ledger/*.jsonl")
    head = hashlib.sha256(segment.read_bytes().splitlines()[-1]).hexdigest()
    texts, before = [], "0" * 64
    for line in segment.read_text().splitlines():
        data = json.loads(line) | {"logged": "2001-01-01T00:00:00.000+00:00", "prev": before, "seconds": 1e-7}
        texts.append(json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
        before = hashlib.sha256(texts[-1].encode()).hexdigest()
    segment.unlink()
    segment.with_name("other-1.jsonl").write_text("\n".join(texts) + "\n")
    reseal(root, lambda payload: payload.replace(segment.name, "other-1.jsonl").replace(head, before))


def reseal(root: Path, change: Callable[[str], str]) -> None:
    path = root / "output" / "seal.json"
    seal = json.loads(path.read_bytes())
    new = base64.b64encode(change(base64.b64decode(seal["payload"]).decode()).encode()).decode()
    path.write_text(path.read_text().replace(seal["payload"], new))


def test_an_output_is_the_same_as_itself_whenever_it_was_logged(two: tuple[Path, Path]) -> None:
    assert differences(*two) == []
    relogged(two[1])
    assert (two[1] / "output" / "ledger" / "other-1.jsonl").exists()
    assert differences(*two) == []


def test_one_changed_byte_is_found_in_every_file(two: tuple[Path, Path]) -> None:
    files = [path for path in sorted(two[1].rglob("*")) if path.is_file() and path.stat().st_size]
    assert {".json", ".jsonl", ".dcm", ".gz", ".png", ".html", ".yaml"} <= {path.suffix for path in files}
    for path in files:
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    found = differences(*two)
    names = {str(path.relative_to(two[1])) for path in files if path.suffix != ".jsonl"} | {SEGMENT}
    assert {line.partition(": ")[0] for line in found} == names
    assert len(found) == len(names)


def test_what_is_missing_or_more_is_found_and_so_is_a_mode(two: tuple[Path, Path]) -> None:
    reference, candidate = two
    (candidate / "output" / "coco.json").unlink()
    (candidate / "output" / "more").mkdir()
    (candidate / "output" / "private" / "key").chmod(0o644)
    assert differences(reference, candidate) == [
        "output/coco.json: only the reference has it",
        "output/more: only the candidate has it",
        "output/private/key: mode 100600 ≠ 100644",
    ]


def test_differing_keys_and_attributes_are_named(two: tuple[Path, Path]) -> None:
    root = two[1] / "output"
    monai = json.loads((root / "monai.json").read_text())
    monai["training"][0]["medaug"]["variant"] = 9
    (root / "monai.json").write_text(json.dumps(monai))
    path = min(root.glob("variants/*/image/0001.dcm"))
    ds = pydicom.dcmread(path)
    ds.SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    del ds.SyntheticData
    ds.save_as(path)
    image, lists = sorted(differences(*two), key=lambda line: "monai" in line)
    assert "training[0].medaug.variant: 0 ≠ 9" in lists
    assert "(0008,2112) SourceImageSequence[0] (0008,1155) ReferencedSOPInstanceUID: UI" in image
    assert "≠ UI '1.2.3'" in image
    assert "SyntheticData: CS 'YES' ≠ missing" in image


def test_the_same_values_in_another_spelling_differ(two: tuple[Path, Path]) -> None:
    path = two[1] / "output" / "coco.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3))
    (found,) = differences(*two)
    assert found.endswith("the same contents in another spelling")


@pytest.mark.parametrize("key", ["prev", "record"])
def test_a_ledger_differs_where_its_chain_or_a_record_does(two: tuple[Path, Path], key: str) -> None:
    (segment,) = two[1].glob("output/ledger/*.jsonl")
    first, second, *rest = segment.read_text().splitlines(keepends=True)
    changes = {"prev": (json.loads(second)["prev"], "1" * 64), "record": ('"seed":"', '"seed":"1')}
    broken = second.replace(*changes[key], 1)
    segment.write_text("".join([first, broken, *rest]))
    found = "\n".join(differences(*two))
    assert f"{SEGMENT}: line 2.{key}" in found


def test_a_seal_differs_where_its_head_is_not_the_ledger_s_last_line(two: tuple[Path, Path]) -> None:
    relogged(two[1])
    (segment,) = two[1].glob("output/ledger/*.jsonl")
    head = hashlib.sha256(segment.read_bytes().splitlines()[-1]).hexdigest()
    reseal(two[1], lambda payload: payload.replace(head, "1" * 64))
    (found,) = differences(*two)
    assert "medaugChainSha256" in found


def test_a_copy_states_the_version_of_a_comparison_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text('"""A package."""\n\n__version__ = "1.2.3"\nother = "1.2.3"\n')
    state_version(tmp_path)
    assert (tmp_path / "__init__.py").read_text() == '"""A package."""\n\n__version__ = "0.0.0"\nother = "1.2.3"\n'
    (tmp_path / "version.py").write_text('__version__ = "2"\n')
    with pytest.raises(SystemExit, match="2 modules"):
        state_version(tmp_path)
