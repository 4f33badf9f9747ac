"""The documents say what the program does."""

from __future__ import annotations

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
