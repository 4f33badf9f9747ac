"""The documents say what the program does."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
import typer

import medaug
from medaug import profile
from medaug.cli import app
from medaug.quality import DEFAULT_LIMITS

ROOT = Path(__file__).parent.parent
DOCS = "\n".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def commands(group: typer.core.TyperGroup, prefix: str = "medaug") -> list[str]:
    found = []
    for name, command in group.commands.items():
        nested = isinstance(command, typer.core.TyperGroup)
        found += commands(command, f"{prefix} {name}") if nested else [f"{prefix} {name}"]
    return found


@pytest.mark.parametrize("command", commands(typer.main.get_command(app)))
def test_every_command_is_documented(command: str) -> None:
    assert command in DOCS


@pytest.mark.parametrize("check", DEFAULT_LIMITS)
def test_every_check_is_documented(check: str) -> None:
    assert f"`{check}`" in DOCS


@pytest.mark.parametrize("name", profile.shipped())
def test_every_profile_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCS


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
)
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_public_names_are_there() -> None:
    for name in medaug.__all__:
        assert getattr(medaug, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = medaug.rum  # type: ignore[attr-defined]


def test_the_demos_export_is_planned_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    demo = runpy.run_path(str(ROOT / "examples" / "demo.py"))
    coco, seg = demo["make_export"](tmp_path / "export")
    planned = medaug.plan(
        tmp_path / "export", profile=str(ROOT / "examples" / "demo.yaml"), annotations=[coco, seg], variants=2
    )
    assert sorted(unit.source.modality for unit in planned.units) == ["CR", "CR", "CT", "CT", "DX", "DX"]
    assert [skip.code for skip in planned.skips if skip.refused] == ["missing-slice"]
    sys.modules.pop("phantoms", None)
