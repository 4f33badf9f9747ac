"""A labelled export of several patients."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from medaug.cli import app


def export(*words: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])
