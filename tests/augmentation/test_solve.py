"""A batch may hold rows of several cases: none of them knows of the others."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from medaug import assemble
from medaug.augmentation.augment import present, solve
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, solve_slices
from medaug.augmentation.tools import Tools
from medaug.execution.planning.request import RunRequest
from medaug.execution.worker.worker import Worker
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.processes import threads
from medaug.profile.load import load_profile
from tests.support.cases import case, changed, recipe
from tests.support.far_device import DEVICE, FarDevice
from tests.support.small_runs import small_profile


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    solver = {"kind": "psld", "steps": 1, "start": 0.3, "omega": 0.05, "gamma": 0.01}
    chosen = load_profile(small_profile(tmp_path_factory.mktemp("profile"), batch_size=4, solver=solver))
    return changed(assemble.tools(chosen, "cpu"), full=True)


@pytest.fixture(scope="module")
def rows() -> list[PresentedSlice]:
    """Six slices of six cases."""
    rng = np.random.default_rng(3)
    drawn = recipe(case())
    squares = rng.uniform(-1, 1, (6, 64, 64)).astype(np.float32)
    seen = rng.random((6, 64, 64)) > 0.4
    return [PresentedSlice(squares[n], seen[n], replace(drawn, variant=n)) for n in range(6)]


def same(a: Sequence[SolvedSlice], b: Sequence[SolvedSlice]) -> bool:
    return all(
        np.array_equal(x.solved, y.solved) and np.array_equal(x.round_trip, y.round_trip)
        for x, y in zip(a, b, strict=True)
    )


def test_a_full_batch_gives_a_row_the_same_bytes_whoever_is_in_it_and_wherever_it_stands(
    tools: Tools, rows: list[PresentedSlice]
) -> None:
    alone, other = (solve_slices([row], tools.solve.prior, tools.solve)[0] for row in rows[:2])
    mates = solve_slices([rows[2], rows[1], rows[3], rows[0]], tools.solve.prior, tools.solve)
    assert same([mates[3], mates[1]], [alone, other])
    assert same(solve_slices([rows[5], rows[0], rows[4]], tools.solve.prior, tools.solve)[1:2], [alone])
    assert not same([alone], [other])


def test_a_batch_that_is_not_filled_up_is_the_same_within_rounding(tools: Tools, rows: list[PresentedSlice]) -> None:
    """It may give other last digits, as many processors do: why batches are filled up."""
    short = solve_slices(rows[:1], tools.solve.prior, replace(tools.solve, full=False))
    full = solve_slices(rows[:1], tools.solve.prior, tools.solve)
    np.testing.assert_allclose(short[0].solved, full[0].solved, atol=2e-5)


def test_a_case_that_is_solved_alone_is_solved_as_in_company(tools: Tools) -> None:
    volume = case((3, 120, 100))
    presented = present(volume, recipe(volume), tools)
    mine = solve(presented, tools)
    (first, *_), wanted = presented.slices, presented.wanted
    other = replace(first, recipe=replace(first.recipe, variant=9))
    (_, beside) = tools.solve_slices([other, first], presented.prior, tools.solve)
    np.testing.assert_array_equal(mine.solved[wanted[0]], beside.solved)


def test_a_batch_is_sent_in_four_copies_and_comes_back_in_one(tools: Tools, rows: list[PresentedSlice]) -> None:
    """On a far device: nothing is looked at, and nothing comes back, before all of the solve is queued."""
    far = replace(tools.solve, prior=load_embedded(DEVICE), device=DEVICE)
    with FarDevice():
        solve_slices(rows[:2], far.prior, far)  # sends the schedule
    with FarDevice() as device:
        solved = solve_slices(rows[:2], far.prior, far)
    assert [one.solved.shape for one in solved] == [one.round_trip.shape for one in solved] == [(64, 64)] * 2
    assert device.sent == 4  # pixels, what is observed, and the noise of measurement and start
    assert device.waits == {"copy back": 1}


def test_tools_that_were_pickled_solve_the_same(rows: list[PresentedSlice], tmp_path: Path) -> None:
    """They load their prior again, where that is the profile's."""
    made = assemble.tools(load_profile(small_profile(tmp_path)), "cpu")
    sent = pickle.dumps(made)
    there = pickle.loads(sent)
    assert len(sent) < 1 << 20
    assert same(*(one.solve_slices(rows[:1], one.solve.prior, one.solve) for one in (made, there)))


def test_a_call_from_python_takes_the_threads_of_a_run(
    rows: list[PresentedSlice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call of `augment` took all cores once, and six to eight times the processor of a run's."""
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(threads, "of_a_solve", lambda: before + 1)
    monkeypatch.setattr(assemble, "of_a_solve", threads.of_a_solve)
    profile = load_profile(small_profile(tmp_path))
    made = assemble.tools(profile, "cpu")
    made.solve_slices(rows[:1], made.solve.prior, made.solve, lambda *_: seen.append(torch.get_num_threads()))
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before
    request = RunRequest(tmp_path, profile, device="cpu")
    monkeypatch.setattr("medaug.execution.worker.worker.of_a_solve", threads.of_a_solve)
    assert Worker(request, tmp_path).threads == before + 1
