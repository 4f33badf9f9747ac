from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound OUTPUT with its source and keys, to be tampered with."""
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"
