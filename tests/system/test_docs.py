"""The documents say what the program does."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import typer

import medaug
from medaug.cli import app
from medaug.profile.load import shipped_profiles
from medaug.quality import DEFAULT_LIMITS
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCS = "\n".join(page.read_text() for page in PAGES)


def commands(group: typer.core.TyperGroup, prefix: str = "medaug") -> list[str]:
    found = []
    for name, command in group.commands.items():
        nested = isinstance(command, typer.core.TyperGroup)
        found += commands(command, f"{prefix} {name}") if nested else [f"{prefix} {name}"]
    return found


@pytest.mark.parametrize("command", commands(typer.main.get_command(app)))
def test_every_command_is_documented(command: str) -> None:
    assert command in DOCS


def lines_to_type(text: str) -> list[list[str]]:
    """The words of every line in a code block that calls medaug."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in blocks.splitlines() if re.match(r"\s*(\$ )?medaug ", line)]


def mistyped(words: list[str]) -> str:
    """What of a command line the program would not know; nothing of it is run."""
    context, command, rest = None, typer.main.get_command(app), [word for word in words if word != "$"][1:]
    while isinstance(command, typer.core.TyperGroup) and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"no command {rest[0]!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    parameters = command.get_params(click.Context(command, context))
    known = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = {word for word in rest if re.match("--?[a-z]", word)} - known
    return f"no option {', '.join(sorted(unknown))} of {command.name}" if unknown else ""


@pytest.mark.parametrize("words", [words for page in PAGES for words in lines_to_type(page.read_text())], ids=" ".join)
def test_every_line_to_type_names_commands_and_options_that_exist(words: list[str]) -> None:
    assert not mistyped(words)


def test_a_line_with_a_typing_error_is_found() -> None:
    assert "no command 'rum'" in mistyped(["medaug", "rum", "EXPORT"])
    assert "--profil " in mistyped(["medaug", "run", "EXPORT", "--profil", "paper"])
    assert mistyped(["medaug", "prior", "show", "embedded"]) == ""


def said(tree: ast.Module) -> list[str]:
    """Every text of a module that may be shown: its strings without its docstrings, those of commands aside."""
    documented = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    silent = [n for n in documented if not (isinstance(n, ast.FunctionDef) and n.decorator_list)]
    docstrings = {id(n.body[0].value) for n in silent if n.body and isinstance(n.body[0], ast.Expr)}
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docstrings]
    return [n.value for n in strings if isinstance(n.value, str)]


def cited_pages(text: str) -> list[str]:
    """Pages of the repository that a text sends to: who installed a wheel has none."""
    return re.findall(r"(?<![\w/.])(?:docs/|README|CONTRIBUTING|CHANGELOG)[\w./-]*", text)


def test_what_the_program_says_sends_to_no_page_that_a_wheel_lacks() -> None:
    texts = {path.name: said(ast.parse(path.read_text())) for path in (ROOT / "medaug").rglob("*.py")}
    assert {name: pages for name in texts if (pages := cited_pages("\n".join(texts[name])))} == {}


def test_what_is_written_into_outputs_sends_to_no_page_either() -> None:
    written = [p for p in (ROOT / "medaug").rglob("*") if p.suffix in {".jinja", ".html", ".js", ".json", ".yaml"}]
    assert len(written) > 5
    assert [page for path in written for page in cited_pages(path.read_text())] == []


def test_a_page_that_a_message_cites_is_found() -> None:
    module = ast.parse('"""See docs/a.md."""\ndef f():\n    raise ValueError(f"axes: {1}; see docs/how-to/priors.md")')
    assert [page for text in said(module) for page in cited_pages(text)] == ["docs/how-to/priors.md"]
    command = ast.parse('@app.command("x")\ndef x():\n    """As docs/format.md says."""')
    assert [page for text in said(command) for page in cited_pages(text)] == ["docs/format.md"]
    assert cited_pages("https://mlcommons.org/docs/croissant-spec") == []


@pytest.mark.parametrize("check", DEFAULT_LIMITS)
def test_every_check_is_documented(check: str) -> None:
    assert f"`{check}`" in DOCS


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_profile_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize(
    "document", [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
)
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_modules_that_are_named_are_there(document: Path) -> None:
    """Below the repository or the package; a decision names what was there when it was taken."""
    named = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.py)(?::\w+)?`", document.read_text())
    gone = [name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "medaug"))]
    assert document.parent.name == "adr" or [name for name in gone if "NAME" not in name] == []


def test_the_public_names_are_there() -> None:
    for name in medaug.__all__:
        assert getattr(medaug, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = medaug.rum  # type: ignore[attr-defined]


def test_every_decision_has_a_number_of_its_own() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    assert all(path.read_text().startswith(f"# {int(path.name[:4])}. ") for path in decisions)


def cells(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [cell.strip() for row in rows for cell in row.strip("|").split("|")]


def test_the_readme_is_read_at_once() -> None:
    text = (ROOT / "README.md").read_text()
    items = re.findall(r"^\* .*(?:\n  .*)*", text, re.MULTILINE)
    assert len(items) > 10
    assert text.count("\n") <= 90
    assert [part for part in (*items, *cells(text)) if len(part) > 200] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_cell_of_a_table_is_a_paragraph(page: Path) -> None:
    assert [cell for cell in cells(page.read_text()) if len(cell) > 160] == []
