"""Archives of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.orthanc import Orthanc


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Any]:
    """Starts Orthancs, and ends them with the test."""
    started: list[Orthanc] = []

    def start(name: str, **settings: Any) -> Orthanc:
        one = Orthanc(tmp_path / name, **settings)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.kill()
