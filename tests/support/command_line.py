"""A command as a user gives it, in this process: a new one would load everything again, some four seconds each time."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import typer.main
import typer.testing

from medaug.cli import main

WIDE = {"COLUMNS": "200"}


@dataclass(frozen=True)
class Answer:
    """What `subprocess.run` would give."""

    returncode: int
    stdout: str
    stderr: str


def medaug(*arguments: object) -> Answer:
    """``medaug ARGUMENTS``: through `main`, with its exit code and its messages."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = ["medaug", *map(str, arguments)]
    with (
        _signals_kept(),
        patch.object(sys, "argv", argv),
        patch.dict(os.environ, WIDE),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def commands_built_once() -> Iterator[None]:
    """Typer makes all commands anew for each call, which takes twice what `medaug plan` of a small export does."""
    once = functools.cache(typer.main.get_command)
    with patch.object(typer.main, "get_command", once), patch.object(typer.testing, "_get_command", once):
        yield
