from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medaug.audit import keys
from medaug.audit.seal import seal
from tests.audit.verification.output import build


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed OUTPUT, out/, its source, in/, and the keys, keys/; nobody may change it."""
    folder = tmp_path_factory.mktemp("sound")
    root = build(folder)
    private, _ = keys.new_keys(folder / "keys")
    seal(root, key=private)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"
