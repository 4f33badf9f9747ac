from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from medaug.verification import verify
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.remembered import Remembering

CHECK_UNIT = Remembering()


@pytest.fixture(autouse=True, scope="package")
def prior() -> Iterator[None]:
    with in_place_of_the_embedded():
        yield


@pytest.fixture
def unchanged_units_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "check_unit", CHECK_UNIT)


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound OUTPUT with its source and keys, to be tampered with."""
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"
