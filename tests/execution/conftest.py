from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.small_runs import Finished, arguments_in, finish


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, object]:
    return arguments_in(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The run of `arguments`; its folder is everybody's, so nobody may change it."""
    return finish(tmp_path_factory.mktemp("finished"))
