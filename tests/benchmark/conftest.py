from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.quick_prior import in_place_of_the_embedded


@pytest.fixture(autouse=True, scope="package")
def prior() -> Iterator[None]:
    with in_place_of_the_embedded():
        yield
