"""The rules of the house that no linter holds: docs/explanation/architecture.md says why they are there."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from medaug.audit import ledger
from medaug.dicom.read import read
from medaug.dicom.write import write
from medaug.inverse.operators import Inpainting
from tests.support.command_line import medaug
from tests.support.passing_by import values_at
from tests.support.paths import ROOT
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.small_runs import arguments_in, boxes

PACKAGE = sorted((ROOT / "medaug").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    return (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def lines(function: Function) -> int:
    """Lines of the body, the docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> int:
    known = function.args
    named = [a for a in (*known.posonlyargs, *known.args, *known.kwonlyargs) if a.arg not in {"self", "cls"}]
    return len(named) + (known.vararg is not None) + (known.kwarg is not None)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_at_most_six_modules_stand_beside_the_folders() -> None:
    assert len(list((ROOT / "medaug").glob("*.py"))) <= 6


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_what_it_is_for_and_can_be_read_at_once(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 350


def test_functions_are_short_and_take_few_parameters() -> None:
    """The command line aside, whose functions list their options."""
    inside = [(path, f) for path in PACKAGE if "cli" not in path.parts for f in functions(path)]
    assert len(inside) > 1000
    assert [f"{path.name}: {f.name}" for path, f in inside if parameters(f) > 8] == []
    assert [f"{path.name}: {f.name}" for path, f in inside if lines(f) > 38] == []
    lengths = sorted(lines(f) for _, f in inside)
    assert lengths[len(lengths) // 2] <= 5
    assert lengths[len(lengths) * 9 // 10] <= 16


def test_no_import_hides_behind_type_checking_for_lack_of_a_floor() -> None:
    """Imports for annotations alone are lazy where the command line must start fast, and nowhere else."""
    hidden = [p.relative_to(ROOT / "medaug") for p in PACKAGE if "if TYPE_CHECKING" in p.read_text()]
    assert {path.parts[0] for path in hidden} <= {"__init__.py", "audit", "cli", "execution"}


def test_a_name_of_a_class_or_of_a_set_of_words_means_one_thing() -> None:
    """`Downsampling` is an operator and its spec, whose name stands in the profile's JSON Schema: ADR 25."""
    named = Counter(
        name
        for path in PACKAGE
        for node in ast.walk(ast.parse(path.read_text()))
        for name in ([node.name] if isinstance(node, ast.ClassDef) else literals(node))
    )
    assert len(named) > 300
    assert sorted(name for name, count in named.items() if count > 1) == ["Downsampling"]


def test_a_file_name_means_one_thing_but_where_a_command_a_child_or_a_format_has_it() -> None:
    """What is left is moved by nobody without a reason: ADR 46."""
    own = [path for path in PACKAGE if not {"cli", "children", "readers"} & set(path.parts) and path.stem[0] != "_"]
    named = Counter(path.stem for path in own)
    shared = {name for name, count in named.items() if count > 1}
    kept = "archive autoencoder fetch laws layout load monai recipe registry request store"
    assert shared <= set(kept.split())


def literals(node: ast.AST) -> list[str]:
    """The name that a statement gives to a Literal."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id="Literal"))):
            return [name]
    return []


def test_a_match_ends_in_assert_never() -> None:
    """But for those on words of torch's, whose set is open, and on the types of plain data."""
    matches = [(path, n) for path in PACKAGE for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Match)]
    open_sets = {"device.py", "canonical_json.py"}
    assert len(matches) > 25
    assert {path.name for path, one in matches if "assert_never" not in ast.unparse(one.cases[-1])} == open_sets


def test_no_test_module_imports_another() -> None:
    """What two of them need stands in tests/support."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in TESTS
        for name in imported(path)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split(".")[:-1])
        if name.split(".")[-2] != path.stem  # work is sent to a cluster by the name of its module
    ]
    assert found == []


def test_tests_lie_where_what_they_test_lies() -> None:
    """tests/X/ for medaug/X/; what concerns the whole program is in tests/system."""
    others = {"benchmarks", "fuzz", "hostile", "support", "system"}
    folders = {path.parent.relative_to(ROOT / "tests") for path in TESTS if path.name.startswith("test_")}
    mirrored = [folder for folder in folders if folder.parts and folder.parts[0] not in others]
    assert [folder for folder in mirrored if not (ROOT / "medaug" / folder).is_dir()] == []


def test_benchmarks_are_run_by_hand() -> None:
    """Their scripts are not collected; the tests beside them are."""
    scripts = [p for p in (ROOT / "tests" / "benchmarks").glob("*.py") if not p.name.startswith(("test_", "__"))]
    collected = [f.name for path in scripts for f in functions(path) if f.name.startswith("test_")]
    assert len(scripts) > 20
    assert list(chain(collected)) == []


def test_few_value_classes_are_at_hand_when_a_file_is_written(tmp_path: Path) -> None:
    """Counted alike there were 15 and 25 before the house was ordered: ADR 46."""
    given = arguments_in(tmp_path)
    words = ["-o", given["output"], "-p", given["profile"], "-a", boxes(tmp_path / "boxes.json", ("x1.dcm",))]
    stages = [(read, "_of_file"), (Inpainting, "forward"), (write, "_place"), (ledger, "append")]
    with in_place_of_the_embedded(), values_at(stages) as found:
        answer = medaug("run", given["input"] / "xray" / "x1.dcm", *words, "--accept-identity", "made")
    assert answer.returncode == 0
    assert all(found.values())
    assert len(found["_place"]) <= 15
    assert len(set().union(*found.values())) <= 26
