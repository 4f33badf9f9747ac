from __future__ import annotations

import pytest

from tests.benchmarks.overhead import STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_is_timed_by_is_there(stage: str) -> None:
    """A function that moved would be left out of the table, or stop the script."""
    assert all(hasattr(home, name) for home, name in STAGES[stage])
