"""Every code that medaug raises is in the one table, and the table is in the docs.

Write the page anew with ``MEDAUG_WRITE_DOCS=1 pytest tests/test_error_codes.py``.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import medaug
from medaug.annotations.registry import SENTENCES
from medaug.dicom.read.series import NO_IMAGE
from medaug.error_codes import CODES
from medaug.errors import MedaugError
from medaug.execution.output.quarantine import MEANINGS
from medaug.quality import DEFAULT_LIMITS
from medaug.verification import faults

PACKAGE = Path(medaug.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "reference" / "codes.md"
OTHER = ("verification/",)  # faults have their own table
SHAPE = re.compile(r"[a-z]+(-[a-z0-9]+)*")
HEAD = """# Codes

Made by `tests/test_error_codes.py` from the program's tables. A code is frozen: it never gets another meaning. Records,
skips and quarantine entries carry one each, and so does every error, in brackets after its sentence. The sentence adds
the figures.

## Sources, priors, units and runs
| code | meaning |
|---|---|
"""
NOTES = """
## Annotations that fit no image
Listed as `unmatched`, with their places in the file.

| code | meaning |
|---|---|
"""
FAULTS = """
## What `medaug verify` finds

| code | meaning |
|---|---|
"""


def positions(trees: dict[str, ast.Module]) -> dict[str, int]:
    """Callable → the position of its argument ``code``."""
    found = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in {"self", "cls"}]
            elif isinstance(node, ast.ClassDef):
                names = [
                    f.target.id for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.target, ast.Name)
                ]
            else:
                continue
            if "code" in names:
                found[node.name] = names.index("code")
    return found


def stated(tree: ast.Module, places: dict[str, int]) -> Iterator[ast.expr]:
    """Every expression that becomes a code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
            place = places.get(node.func.id if isinstance(node.func, ast.Name) else "", len(node.args))
            yield from node.args[place : place + 1]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in {"code", "default_code", "_BAD", "OUT_OF_MEMORY"}:
                yield node.value
        elif isinstance(node, ast.FunctionDef):
            arguments, defaults = node.args.args + node.args.kwonlyargs, node.args.defaults + node.args.kw_defaults
            pairs = zip(reversed(arguments), reversed(defaults), strict=False)
            yield from (value for argument, value in pairs if argument.arg == "code" and value)


def raised() -> dict[str, str]:
    """Every code in the source of medaug, with a module that holds it."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if not str(path.relative_to(PACKAGE)).startswith(OTHER)]
    trees = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    places = positions(trees)
    found = {code: name for name, tree in trees.items() for value in stated(tree, places) for code in literals(value)}
    return {code: name for code, name in found.items() if SHAPE.fullmatch(code)}


def literals(value: ast.expr) -> Iterator[str]:
    """The strings that an expression may be: itself, or either side of a choice."""
    if isinstance(value, ast.IfExp):
        yield from (*literals(value.body), *literals(value.orelse))
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def page() -> str:
    def rows(table: dict[str, str]) -> str:
        return "".join(f"| `{code}` | {text} |\n" for code, text in sorted(table.items()))

    return HEAD + rows(dict(CODES)) + NOTES + rows(SENTENCES) + FAULTS + rows(dict(faults.CODES))


def test_the_walk_finds_codes_in_every_form() -> None:
    tree = ast.parse(
        "def refuse(text, code='by-default'): ...\nclass Skip:\n    code: str\n    reason: str\n"
        "refuse('x', 'by-place')\nSkip('by-field', 'text')\nraise E('t', code='by-name' if x else 'by-choice')\n"
    )
    found = {code for value in stated(tree, positions({"": tree})) for code in literals(value)}
    assert found == {"by-default", "by-place", "by-field", "by-name", "by-choice"}


def test_every_code_is_in_the_table() -> None:
    found = raised()
    assert len(found) > 70
    missing = {code: module for code, module in found.items() if code not in CODES and code not in SENTENCES}
    assert missing == {}, "give each a sentence in medaug/error_codes.py"


def test_no_code_of_the_table_is_left_over() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "codes.py")
    assert [code for code in CODES if f'"{code}"' not in text] == []


def test_the_table_is_frozen_and_speaks_in_sentences() -> None:
    with pytest.raises(TypeError):
        CODES["new"] = "x"  # type: ignore[index]
    for code, text in CODES.items():
        assert SHAPE.fullmatch(code), code
        assert text[0].isupper(), code
        assert text.endswith("."), code
        assert len(text) < 120, code
    assert set(CODES) >= NO_IMAGE
    assert set(CODES) >= set(MEANINGS)
    assert not set(CODES) & set(DEFAULT_LIMITS)


def test_an_error_without_a_code_has_its_classs() -> None:
    classes = list(below(MedaugError))
    assert len(classes) >= 13
    assert {kind.default_code for kind in classes} <= set(CODES)


def below(kind: type[MedaugError]) -> Iterator[type[MedaugError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from below(each)


def test_the_page_is_the_tables() -> None:
    if os.environ.get("MEDAUG_WRITE_DOCS"):
        DOCUMENT.write_text(page(), encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "MEDAUG_WRITE_DOCS=1 pytest tests/test_error_codes.py"
