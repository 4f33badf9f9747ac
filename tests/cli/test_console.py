"""Words that come from a file or a mistyped path steer no terminal, and name nobody."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest

from medaug.cli.console import escaped, say
from tests.support.command_line import medaug
from tests.support.paths import ROOT

CANARY = "ZQXCANARY"
PATH = f"\x1b[31m{CANARY}^Jane"  # stands where a person's name may, and would colour the rest
COMMANDS = [
    *(f"{command} PATH" for command in ("inspect", "status", "finish", "verify", "seal", "export")),
    *(f"{command} PATH -a PATH -p bone-xray" for command in ("plan", "boxes", "preview -o PATH", "run -o PATH")),
    "plan . -a PATH -p PATH",
    "plan . -a PATH -p PATH.yaml",
    "plan PATH PATH PATH",
    "plan . -a . -p bone-xray --prior PATH",
    "plan . -a . -p bone-xray --seed PATH",
    "plan . -a . -p bone-xray --format PATH",
    "PATH",
    "prior PATH",
    "boxes . -a . --to PATH",
    "export PATH --to PATH -o PATH",
    "replay PATH PATH",
    "reject PATH PATH --reason PATH --reader PATH",
    "accept PATH PATH",
    "decisions list PATH",
    "select PATH PATH",
    "realism PATH --source PATH",
    "benchmark PATH -a PATH -o PATH",
    "quarantine explain PATH PATH",
    "quarantine retry PATH PATH",
    "profile show PATH",
    "profile check PATH",
    "prior show PATH",
    "prior check PATH",
    "prior add PATH",
    "prior import PATH",
    "prior export PATH -o PATH",
    "prior train PATH -o PATH",
    "keys PATH",
    "verify PATH --source PATH --key PATH",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistyped_word_is_not_said_again(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = medaug(*(word.replace("PATH", PATH) for word in command.split()))
    words = said.stdout + said.stderr
    assert said.returncode in {2, 3, 4, 5}, words
    assert CANARY not in words
    assert "\x1b" not in words
    assert "unexpected" not in words.replace("Got unexpected extra", "")
    assert words.strip()


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert escaped("a\tb\nc") == "a\tb\nc"
    assert escaped("caf\u00e9 \u4e2d") == "caf\u00e9 \u4e2d"
    assert escaped("\x1b[31m\x07\r\x9b\x7f") == r"\u001b[31m\u0007\u000d\u009b\u007f"
    assert escaped("\u202eevil\u2066\u200b\ufeff") == r"\u202eevil\u2066\u200b\ufeff"
    assert escaped("\ud800 \u2028\U000e0001") == r"\ud800 \u2028\udb40\udc01"


def test_escaped_json_is_the_same_json() -> None:
    data = {"modality": "\x1b[31m\x9b\u202e\u2028", "more": ["\U000e0001"]}
    stream = io.StringIO()
    say(json.dumps(data, ensure_ascii=False), file=stream)
    assert json.loads(stream.getvalue()) == data
    assert stream.getvalue().rstrip("\n").isprintable()


def test_nothing_else_prints() -> None:
    """A contract: `say` is the one way out of the command line, and below it nobody prints."""
    printing = {"typer.echo", "click.echo", "print"}
    found = [
        path.relative_to(ROOT / "medaug").as_posix()
        for path in sorted((ROOT / "medaug").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in printing
    ]
    assert found == ["cli/console.py"]
