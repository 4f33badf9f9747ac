"""Unique tokens stand wherever a person's data may; nothing that medaug writes or says repeats one.

Only derived instances and the evidence objects beside them keep what their source's patient and study attributes hold,
as they must to be valid: medaug is not a de-identifier.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import signal
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from medaug.audit.layout import NAMES
from medaug.cli import main
from medaug.execution.worker import unit_of_work
from tests.support import make
from tests.support.dicom_edit import edit
from tests.support.dicomweb_server import Archive, served
from tests.support.hostile_kinds import nifti
from tests.support.identified import identified
from tests.support.pacs_output import build
from tests.support.small_runs import boxes, small_profile

CANARY = "ZQXCANARY"
PERSON = f"{CANARY}^Jane"
KEPT = {  # what a derived instance keeps of its source, see docs/reference/dicom.md
    "AccessionNumber", "AdmissionID", "ImageComments", "InstitutionName", "OperatorsName", "PatientID", "PatientName",
    "ProtocolName", "ReferringPhysicianName", "StudyDescription", "StudyID",
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    text: str


def medaug(*arguments: object) -> Said:
    """A command in this process, as the console would hear it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    console, code, plain = io.StringIO(), 0, sys.argv
    try:
        sys.argv = ["medaug", *map(str, arguments)]
        with contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
            main()
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    finally:
        sys.argv = plain
        for number, handler in before.items():
            signal.signal(number, handler)
    return Said(code, console.getvalue())


def full_of_canaries(ds: Dataset) -> None:
    ds.PatientName = ds.ReferringPhysicianName = ds.OperatorsName = PERSON
    ds.PatientID, ds.AccessionNumber, ds.StudyID = f"{CANARY}1", f"{CANARY}2", f"{CANARY}3"
    ds.StudyDescription = ds.SeriesDescription = ds.InstitutionName = ds.ProtocolName = CANARY
    ds.StationName = ds.DeviceSerialNumber = ds.ImageComments = ds.AdmissionID = CANARY
    ds.RetrieveURL = f"https://pacs.example/{CANARY}"
    ds.private_block(0x0029, CANARY, create=True).add_new(0x01, "LO", CANARY)
    ds.preamble = CANARY.encode().ljust(128, b"\0")


def export(root: Path) -> Path:
    """Every kind of source, good and bad, with canaries in names, folders and values."""
    folder = root / f"{CANARY}_in"
    good = edit(make.radiograph(folder, name=f"{CANARY}.dcm", rows=120, columns=100), full_of_canaries)
    for path in make.series(folder / f"{CANARY}_gap", slices=5, gap_at=2, rows=32, columns=32):
        edit(path, full_of_canaries)
    nifti(folder, name=f"{CANARY}.nii", descrip=CANARY.encode())
    nifti(folder, name=f"{CANARY}_bad.nii", descrip=CANARY.encode(), scl_slope=np.inf)
    (folder / f"{CANARY}.txt").write_text(f"{PERSON}\n" * 9)
    (folder / f"{CANARY}_cut.dcm").write_bytes(good.read_bytes()[:-400])
    for number, values in enumerate(
        ({"Rows": 0}, {"PixelSpacing": [0, 0]}, {"Modality": PERSON}, {"PhotometricInterpretation": CANARY})
    ):
        edit(make.radiograph(folder, name=f"{CANARY}{number}.dcm", rows=60, columns=50, seed=number + 3), **values)
    (folder / f"{CANARY}_link").symlink_to(folder)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return export(tmp_path)


def run(source: Path, *more: object) -> Said:
    root = source.parent
    return medaug(
        "run", source, "-o", root / "out", "-a", boxes(root / f"{CANARY}.json", (f"{CANARY}.dcm",)),
        "-p", small_profile(root), "--accept-identity", "a test", *more,
    )  # fmt: skip


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what lies packed in them."""
    data = path.read_bytes()
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if data[:4] == b"\x89PNG":
        with Image.open(path) as image:
            yield repr(image.info).encode()
            yield image.tobytes()
    if path.name == "seal.json":
        yield base64.b64decode(json.loads(data)["payload"])


def holding(output: Path) -> dict[str, list[str]]:
    """Token → the files whose name or content holds it, but the owner's; of a DICOM file the keyword."""
    found: dict[str, list[str]] = {}
    tokens = [CANARY, CANARY.lower(), *digests()]
    for path in sorted(set(output.rglob("*")) - {output / NAMES}):
        name = path.relative_to(output).as_posix()
        for token in tokens:
            if token in name:
                found.setdefault(token, []).append(name)
            if path.is_file() and not name.endswith(".dcm") and any(token.encode() in c for c in contents(path)):
                found.setdefault(token, []).append(name)
        if name.endswith(".dcm"):
            for keyword in keywords(path, tokens) - KEPT:
                found.setdefault(keyword, []).append(name)
    return found


def keywords(path: Path, tokens: list[str]) -> set[str]:
    """Where a DICOM file holds a token; bytes that no element holds count as ``preamble``."""
    ds = pydicom.dcmread(path)
    assert ds.preamble == bytes(128)
    held = {e.keyword or "private" for e in (*ds.iterall(), *ds.file_meta) for t in tokens if t in str(e.value)}
    return held - {"PixelData"}


def digests() -> list[str]:
    """Digests without a key, from which a name could be guessed."""
    known = [PERSON, f"{CANARY}1", f"{CANARY}1\0", f"{CANARY}.dcm"]
    return [hashlib.new(kind, text.encode()).hexdigest()[:16] for text in known for kind in ("sha256", "sha1", "md5")]


def test_no_output_of_a_run_holds_one(source: Path) -> None:
    said = run(source, "--variants", 2)
    output = source.parent / "out"
    assert (said.code, CANARY in said.text) == (4, False), said.text
    kinds = {path.suffix for path in output.rglob("*") if path.is_file()}
    assert {".dcm", ".png", ".json", ".jsonl", ".html", ".yaml", ".md"} <= kinds
    names = {path.name for path in output.rglob("*")}
    assert {"regions.dcm", "boxes.dcm", "seal.json", "ro-crate-metadata.json", "plan.json", "coco.json"} <= names
    assert holding(output) == {}
    assert CANARY in (output / NAMES).read_text()  # for the owner, who is told by it
    shown = [pydicom.dcmread(path).PatientName for path in output.rglob("*.dcm")]
    assert set(map(str, shown)) == {PERSON}  # the canaries were there to be found


def test_no_command_says_one(source: Path) -> None:
    root, output = source.parent, source.parent / "out"
    run(source)
    unit = next((output / "variants").iterdir()).name
    medaug("keys", "new", "-o", root / "keys")
    commands = (
        ("inspect", source),
        ("inspect", source, "--json"),
        ("boxes", source, "-a", root / f"{CANARY}.json"),
        ("plan", source, "-a", root / f"{CANARY}.json", "-p", root / "small.yaml"),
        ("status", output),
        ("status", output, "--json"),
        ("finish", output),
        ("seal", output, "--key", root / "keys" / "medaug-seal.key"),
        ("verify", output, "--source", source),
        ("verify", output, "--public-key", root / "keys" / "medaug-seal.pub", "--json"),
        ("replay", output, unit, "--source", source),
        ("quarantine", "list", output),
    )
    for command in commands:
        said = medaug(*command)
        assert said.code in {0, 4, 5}, (command[0], said.text)
        assert CANARY not in said.text, (command[0], said.text)
    assert holding(output) == {}


def test_no_word_with_an_archive_says_one(tmp_path: Path) -> None:
    """What a hospital's archive holds names people; what is fetched, sent and said names nobody."""
    files = [make.radiograph(tmp_path, name="a.dcm", rows=60, columns=50), *make.series(tmp_path / "ct", slices=2)]
    held = [identified(pydicom.dcmread(path)) for path in files]
    hospital = Archive({str(ds.SOPInstanceUID): ds for ds in held}, authorization=f"Bearer {CANARY}")
    secret = tmp_path / "secret"
    secret.write_text(f"token: {CANARY}\n")
    secret.chmod(0o600)
    folder, made = tmp_path / "cases", build(tmp_path / "made")
    with served(hospital):
        shown = ("--credentials", secret)
        commands: tuple[tuple[int, tuple[object, ...]], ...] = (
            (2, ("fetch", hospital.address, "-o", folder)),
            (3, ("fetch", hospital.address, "-o", folder, *shown)),
            (0, ("fetch", hospital.address, "-o", tmp_path / "f", "--deidentify", "basic", *shown)),
            (0, ("fetch", hospital.address, "-o", tmp_path / "f", "--deidentify", "basic", "--json", *shown)),
            (2, ("fetch", f"dicomweb://{CANARY}:{CANARY}@h/x", "-o", tmp_path / "g")),
            (2, ("fetch", hospital.address, "-o", tmp_path / "g", "--study", CANARY, *shown)),
            (2, ("plan", f"dicomweb://{CANARY}/x", "-a", folder)),
            (2, ("run", f"dicomweb://{CANARY}:{CANARY}@h/x", "-a", folder, "-o", tmp_path / "out")),
            (3, ("run", hospital.address, "-a", folder, "-o", tmp_path / "out", *shown)),
            (2, ("send", made, hospital.address, *shown)),
            (0, ("send", made, hospital.address, "--allow-same-archive", "a test", *shown)),
            (2, ("send", made, hospital.address, "--credentials", tmp_path / CANARY)),
        )
        for code, command in commands:
            said = medaug(*command)
            assert (said.code, CANARY in said.text) == (code, False), (command[0], said.text)
    for path in (*(tmp_path / "f").rglob("*"), *(tmp_path / "cases").rglob("*"), *made.rglob("*")):
        assert CANARY not in path.name
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    assert len(list((tmp_path / "f").rglob("*.dcm"))) == 3


def test_no_failure_says_one(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = source.parent / "out"

    def crash(*_: object, **__: object) -> None:
        raise KeyError(PERSON)

    with monkeypatch.context() as patch:
        patch.setattr(unit_of_work, "begin", crash)
        said = run(source)
        assert "crashed" in said.text
        assert CANARY not in said.text
        assert holding(output) == {}
    with monkeypatch.context() as patch:
        patch.setattr("medaug.execution.planning.plan.collect", crash)
        said = run(source)
        assert (said.code, CANARY in said.text) == (1, False), said.text
    labels = source.parent / "labels"
    for name, text in (
        ("a.json", f'{{"images": [{{"id": 1, "file_name": "{PERSON}"}}], "annotations": 5, "{CANARY}": 1}}'),
        ("b.csv", f"patientId,x,y,width,height,Target\n{PERSON},{CANARY},1,1,1,1\n"),
        ("c.xml", f"<annotation><filename>{PERSON}</filename><object><name>{CANARY}</name></object></annotation>"),
    ):
        labels.mkdir(exist_ok=True)
        (labels / name).write_text(text)
        said = medaug("boxes", source, "-a", labels / name)
        assert said.code in {2, 3, 4}, said.text
        assert CANARY not in said.text, (name, said.text)


def test_the_reason_why_identity_was_accepted_is_recorded(source: Path) -> None:
    run(source)
    (record,) = [json.loads(path.read_text()) for path in (source.parent / "out").rglob("record.json")]
    assert record["identity"] == {"accepted_reason": "a test", "state": "declared"}


def test_the_search_finds_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(CANARY.encode()))
    image = Image.new("L", (4, 4))
    info = __import__("PIL.PngImagePlugin").PngImagePlugin.PngInfo()
    info.add_text("name", CANARY, zip=True)
    image.save(tmp_path / "b.png", pnginfo=info)
    assert CANARY.encode() not in zlib.compress(CANARY.encode() * 9)
    payload = base64.b64encode(CANARY.encode()).decode()
    (tmp_path / "seal.json").write_text(json.dumps({"payload": payload}))
    (tmp_path / f"{digests()[0]}.txt").touch()
    path = edit(make.radiograph(tmp_path, name="c.dcm"), DeviceID=CANARY)
    assert path.exists()
    found = holding(tmp_path)
    assert sorted(found[CANARY]) == ["a.nii.gz", "b.png", "seal.json"]
    assert found["DeviceID"] == ["c.dcm"]
    assert found[digests()[0]] == [f"{digests()[0]}.txt"]
