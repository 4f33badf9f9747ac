"""Files are opened for reading in one place, `storage.plain_files`: a contract over the syntax of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = sorted((ROOT / "medaug").rglob("*.py"))
OWNER = "storage/plain_files.py"
# What may open a path all the same: a writer's own descriptor, a lock, a folder that is flushed, /proc, the terminal.
DESCRIPTORS = {
    "storage/atomic.py": 2,
    "storage/locks.py": 2,
    "audit/segments.py": 1,
    "execution/output/leases.py": 1,
    "processes/child.py": 1,
    "processes/last_resort.py": 1,  # the lease, for writing: where a call that never ended was
    "processes/serving.py": 1,
    "processes/shared_memory.py": 1,  # a block without a name, by the /proc of the process that made it
}
READERS = {"dcmread", "read_partial", "ZipFile", "imread", "ReadImage", "copyfile", "copy2"}
LOADING = {"load", "load_file", "safe_open"}
# Libraries that open by themselves, and the few places from which they are called; each looks at the file before.
LIBRARIES = {
    "inverse/aligned.py": {"load_file", "safe_open"},
    "inverse/priors/library/store.py": {"copyfile"},
    "inverse/priors/loaders/monai_convert.py": {"copyfile"},
    "training/finetuning/finetune.py": {"copyfile"},
}
WRITING = {"wb", "xb", "w", "x", "a"}


def opened(source: str) -> Iterator[str]:
    """The calls in a module that open a file for reading, but through the owner."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    base = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    first = ast.unparse(node.args[0]) if node.args else ""
    if base and name in {"read_bytes", "read_text"} and not base.startswith(("resources.", "_folder()", "(_folder()")):
        yield name
    elif (name == "open" and base == "") or (name == "open" and base == "os"):
        yield "descriptor"
    elif name == "open" and base in {"Image", "tarfile"}:
        if not (first in {"file", "stream"} or any(k.arg == "fileobj" for k in node.keywords) or "'x'" in _text(node)):
            yield f"{base}.open"
    elif name == "open" and _mode(node) not in WRITING | {"r+b"}:
        yield "open"
    elif first not in {"file", "source", "stream"} and not first.startswith("io.BytesIO("):
        yield from _of_library(name, base)


def _of_library(name: str, base: str) -> Iterator[str]:
    loads = name in LOADING and base in {"np", "torch", ""} and (name, base) != ("load", "")
    if loads or (name in READERS and base in {"", "pydicom", "zipfile", "shutil"}):
        yield name


def _mode(node: ast.Call) -> str:
    stated = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "mode")]
    return str(stated[0].value) if stated and isinstance(stated[0], ast.Constant) else "r"


def _text(node: ast.Call) -> str:
    return ast.unparse(node)


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT / "medaug").as_posix())
def test_nothing_is_opened_for_reading_outside_its_owner(path: Path) -> None:
    name = path.relative_to(ROOT / "medaug").as_posix()
    found = list(opened(path.read_text()))
    if name == OWNER:
        assert found == ["descriptor"]
        return
    assert found.count("descriptor") <= DESCRIPTORS.get(name, 0), found
    others = {each for each in found if each != "descriptor"}
    assert others <= LIBRARIES.get(name, set()), found


@pytest.mark.parametrize(
    "code",
    [
        "open(path)", "path.open()", 'path.open("rb")', "path.read_bytes()", "(a / b).read_text()", "os.open(path, 0)",
        "np.load(path)", "torch.load(path)", "Image.open(path)", "dcmread(path)", "pydicom.dcmread(path)",
        'tarfile.open(path, "r:")', "zipfile.ZipFile(path)", "load_file(path)", "safe_open(path)",
        "shutil.copyfile(a, b)", "path.open(mode='rb')", "path.open(encoding='utf-8')",
    ],
)  # fmt: skip
def test_the_contract_sees_every_kind_of_opening(code: str) -> None:
    assert list(opened(code))


@pytest.mark.parametrize(
    "code", ['path.open("wb")', "Image.open(stream)", "dcmread(io.BytesIO(data))", "open_plain(p)"]
)
def test_what_writes_or_takes_an_open_file_is_left_alone(code: str) -> None:
    assert list(opened(code)) == []
