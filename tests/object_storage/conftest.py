from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sound_output
from tests.support.object_server import Server, served


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with served(monkeypatch.setenv) as running:
        yield running


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OUTPUT of three units, beside its INPUT; not to be changed."""
    return sound_output.build(tmp_path_factory.mktemp("sound"))
