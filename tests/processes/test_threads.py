from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import torch

from medaug.augmentation.solve import SolvedSlice, on_threads
from medaug.processes import threads


@pytest.mark.parametrize(
    ("cores", "torches", "variable", "expected"),
    [(2, 2, None, 1), (8, 8, None, 7), (1, 1, None, 1), (8, 8, "8", 8), (8, 4, None, 4), (8, 3, "3", 3)],
)
def test_a_core_is_left_for_reading_and_writing_unless_all_were_asked_for(
    cores: int, torches: int, variable: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: torches)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert threads.of_a_solve() == expected


def test_threads_are_given_back_whatever_happens() -> None:
    before = torch.get_num_threads()
    with suppress(KeyError), threads.taken(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_rows_are_solved_with_the_threads_that_were_asked_for() -> None:
    seen, before = [], torch.get_num_threads()

    def solver(*_: Any) -> list[SolvedSlice]:
        seen.append(torch.get_num_threads())
        return []

    for count in (before + 2, None):
        on_threads(count, solver)([], None, None)  # type: ignore[arg-type]
    assert seen == [before + 2, before]
    assert torch.get_num_threads() == before
