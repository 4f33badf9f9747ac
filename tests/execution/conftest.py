from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.small_runs import Finished, arguments_in, finish


@pytest.fixture(autouse=True, scope="package")
def prior() -> Iterator[None]:
    with in_place_of_the_embedded():
        yield


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, object]:
    return arguments_in(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The run of `arguments`; its folder is everybody's, so nobody may change it."""
    return finish(tmp_path_factory.mktemp("finished"))
