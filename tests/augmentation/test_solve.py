"""A batch may hold rows of several cases: none of them knows of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from medaug import assemble
from medaug.augmentation.augment import present, solve
from medaug.augmentation.solve import Row, Solved, solve_rows
from medaug.augmentation.tools import Tools
from medaug.profile.load import load_profile
from tests.support.cases import case, recipe
from tests.support.small_runs import small_profile


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    solver = {"kind": "psld", "steps": 1, "start": 0.3, "omega": 0.05, "gamma": 0.01}
    chosen = load_profile(small_profile(tmp_path_factory.mktemp("profile"), batch_size=4, solver=solver))
    return replace(assemble.tools(chosen, "cpu"), full=True)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Six slices of six cases."""
    rng = np.random.default_rng(3)
    drawn = recipe(case())
    squares = rng.uniform(-1, 1, (6, 64, 64)).astype(np.float32)
    seen = rng.random((6, 64, 64)) > 0.4
    return [Row(squares[n], seen[n], replace(drawn, variant=n)) for n in range(6)]


def same(a: Sequence[Solved], b: Sequence[Solved]) -> bool:
    return all(
        np.array_equal(x.solved, y.solved) and np.array_equal(x.round_trip, y.round_trip)
        for x, y in zip(a, b, strict=True)
    )


def test_a_full_batch_gives_a_row_the_same_bytes_whoever_is_in_it_and_wherever_it_stands(
    tools: Tools, rows: list[Row]
) -> None:
    alone, other = (solve_rows([row], tools.prior, tools)[0] for row in rows[:2])
    mates = solve_rows([rows[2], rows[1], rows[3], rows[0]], tools.prior, tools)
    assert same([mates[3], mates[1]], [alone, other])
    assert same(solve_rows([rows[5], rows[0], rows[4]], tools.prior, tools)[1:2], [alone])
    assert not same([alone], [other])


def test_a_batch_that_is_not_filled_up_is_the_same_within_rounding(tools: Tools, rows: list[Row]) -> None:
    """It may give other last digits, as many processors do: why batches are filled up."""
    short = solve_rows(rows[:1], tools.prior, replace(tools, full=False))
    full = solve_rows(rows[:1], tools.prior, tools)
    np.testing.assert_allclose(short[0].solved, full[0].solved, atol=2e-5)


def test_a_case_that_is_solved_alone_is_solved_as_in_company(tools: Tools) -> None:
    volume = case((3, 120, 100))
    presented = present(volume, recipe(volume), tools)
    mine = solve(presented, tools)
    (first, *_), wanted = presented.rows, presented.wanted
    other = replace(first, recipe=replace(first.recipe, variant=9))
    (_, beside) = solve_rows([other, first], presented.prior, tools)
    np.testing.assert_array_equal(mine.solved[wanted[0]], beside.solved)
