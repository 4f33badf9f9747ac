"""Slices in shared memory: sent by their place, solved in their place."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from medaug.augmentation.recipe import Recipe
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.errors import SourceError
from medaug.execution.output.quarantine import WORKER_DIED
from medaug.execution.worker.shared_slices import SharedSlice, shared
from medaug.processes.shared_memory import AVAILABLE

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")
RECIPE = Recipe("a" * 64, "b" * 64, 0, 7, "c" * 64, "d" * 64)


def presented(count: int, rows: int = 3, columns: int = 5) -> list[PresentedSlice]:
    rng = np.random.default_rng(1)
    pixels = rng.random((count, rows, columns), dtype=np.float32)
    return [PresentedSlice(one, one > 0.5, RECIPE) for one in pixels]


def test_slices_are_sent_by_their_place_and_answers_come_back_in_it() -> None:
    given = presented(3)
    block, here = shared(given, RECIPE)
    assert block.address == here.address
    sent = pickle.dumps(here.slices)
    assert len(sent) < 1000  # none of the pixels
    there: list[SharedSlice] = pickle.loads(sent)
    for one, other in zip(given, there, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.observed, other.observed)
        assert other.recipe == RECIPE
        other.answer.put(SolvedSlice(one.pixels + 1, one.pixels - 1))
    for one, answer in zip(given, here.answers, strict=True):
        np.testing.assert_array_equal(answer.solved, one.pixels + 1)
        np.testing.assert_array_equal(answer.round_trip, one.pixels - 1)
    np.testing.assert_array_equal(here.slices[2].pixels, given[2].pixels)  # no answer runs into another's slice


def test_slices_whose_memory_is_gone_say_that_their_reader_died() -> None:
    block, here = shared(presented(1), RECIPE)
    sent = pickle.dumps(here)
    del block, here
    with pytest.raises(SourceError) as raised:
        _ = pickle.loads(sent).slices[0].pixels
    assert raised.value.code == WORKER_DIED


def test_a_unit_with_nothing_to_solve_has_no_slices() -> None:
    _, here = shared([], RECIPE)
    assert here.slices == []
