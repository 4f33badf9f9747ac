"""Solving in a process of its own: the same bytes, and nothing is lost when it dies."""

from __future__ import annotations

import io
import os
import pickle
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medaug
from medaug import assemble
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.solve import PresentedSlice, solve_slices
from medaug.children import solve as child
from medaug.errors import PriorError, RunError, SourceError, place_of
from medaug.execution import execute as execution
from medaug.execution.output import quarantine
from medaug.execution.planning.units import Unit
from medaug.execution.worker import solver_process
from medaug.execution.worker.solver_process import SolverProcess
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.processes.task_process import ANSWER, ERROR, STEP
from medaug.profile.load import load_profile
from tests.support.cases import changed
from tests.support.in_process import asked_here
from tests.support.small_runs import contents, small_profile


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> list[SolverProcess]:
    """Every run solves apart; the processes that were made."""
    made: list[SolverProcess] = []

    class Kept(SolverProcess):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    monkeypatch.setattr(execution, "MANY", 1)
    monkeypatch.setattr("medaug.execution.worker.worker.SolverProcess", Kept)
    monkeypatch.setattr(solver_process, "CHILD", "tests.support.quick_solver")
    return made


def planned(arguments: dict[str, Any]) -> medaug.Plan:
    return medaug.plan(**{name: value for name, value in arguments.items() if name != "output"}, device="cpu")


def test_the_bytes_are_those_of_a_run_in_one_process(
    arguments: dict[str, Any],
    apart: list[SolverProcess],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = planned(arguments)
    there: list[tuple[Unit, int, int]] = []
    here: list[tuple[Unit, int, int]] = []
    summary = execution.execute(plan, tmp_path / "out", on_step=lambda *step: there.append(step))
    assert summary.counts == {"written": 4}
    assert len(apart) == 1
    assert apart[0]._process is None  # ended with the run
    monkeypatch.setattr(execution, "MANY", 5)
    execution.execute(plan, tmp_path / "one", on_step=lambda *step: here.append(step))
    assert len(apart) == 1
    assert there == here
    assert {(step, of) for _, step, of in here} == {(0, 3), (1, 3), (2, 3)}
    assert contents(tmp_path / "one") == contents(tmp_path / "out")


@pytest.mark.usefixtures("apart")
def test_a_unit_that_a_process_dies_over_is_tried_again_alone_then_left_alone(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the next one, without processes."""
    plan = planned(arguments | {"variants": 1})
    once, always = (unit.recipe.id for unit in plan.units)
    died: list[str] = []

    def dies(task: Any) -> bool:
        rows, *_ = task
        over = [key for row in rows for key in [row.recipe.id] if key == always or (key == once and once not in died)]
        died.extend(over[:1])
        return bool(over)

    begun = asked_here(monkeypatch, dies)
    summary = execution.execute(plan, tmp_path / "out")
    assert begun == [solver_process.CHILD] * 3
    check_left_alone(summary, died, once, always)


@pytest.mark.slow
def test_a_unit_that_kills_the_process_is_tried_again_alone_then_left_alone(
    arguments: dict[str, Any],
    apart: list[SolverProcess],
    tmp_path: Path,
) -> None:
    plan = planned(arguments | {"variants": 1})
    once, always = (unit.recipe.id for unit in plan.units)
    died: list[str] = []

    def kill(unit: Unit, _step: int, _of: int) -> None:
        key = unit.recipe.id
        if key == always or (key == once and once not in died):
            died.append(key)
            process = apart[0]._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    summary = execution.execute(plan, tmp_path / "out", on_step=kill)
    check_left_alone(summary, died, once, always)


def check_left_alone(summary: medaug.Summary, died: list[str], once: str, always: str) -> None:
    assert sorted(died) == sorted([once, always, always])
    assert summary.counts == {"written": 1, "failed": 1}
    (entry,) = quarantine.entries(summary.output)
    assert (entry.unit, entry.code, entry.stage) == (always, quarantine.WORKER_DIED, "solve")
    assert "status -9" in entry.message


def test_a_wrong_prior_stops_a_run_before_output_is_made(
    arguments: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the child says of a wrong one is shown below."""

    def wrong(_: SolverProcess) -> RemotePrior:
        raise PriorError("another digest")

    monkeypatch.setattr(execution, "MANY", 1)
    monkeypatch.setattr(SolverProcess, "prior", wrong)
    with pytest.raises(PriorError, match="another digest"):
        execution.execute(planned(arguments), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- the child, without a process


def rows(size: int = 64) -> list[PresentedSlice]:
    pixels = np.zeros((size, size), dtype=np.float32)
    return [PresentedSlice(pixels, pixels == 0, Recipe("a" * 64, "b" * 64, 0, 7, "c" * 64, "d" * 64))]


def answers(profile: medaug.Profile, *tasks: object) -> list[tuple[Any, ...]]:
    """What the child says to these tasks."""
    asked, said = io.BytesIO(), io.BytesIO()
    for task in ((profile, "cpu", None), *tasks):
        pickle.dump(task, asked)
    asked.seek(0)
    child.main(asked, said)
    said.seek(0)
    found = []
    while said.tell() < len(said.getvalue()):
        found.append(pickle.load(said))
    return found


@pytest.fixture
def small(tmp_path: Path) -> medaug.Profile:
    return load_profile(small_profile(tmp_path))


def test_it_says_the_card_its_steps_and_what_was_solved(small: medaug.Profile) -> None:
    (card, *steps, solved) = answers(small, (rows(), "", 1, False))
    assert card[0] == ANSWER
    assert card[1].sha256 == small.prior.sha256
    assert steps == [(STEP, (n, 3)) for n in range(3)]
    assert solved[0] == ANSWER
    tools = assemble.tools(small, "cpu")
    (mine,) = solve_slices(rows(), tools.solve.prior, tools.solve)  # on the threads of the child
    assert np.array_equal(solved[1][0].solved, mine.solved)
    assert np.array_equal(solved[1][0].round_trip, mine.round_trip)


def test_it_says_what_is_wrong_with_the_prior(tmp_path: Path) -> None:
    wrong = small_profile(tmp_path / "wrong", prior={"kind": "embedded", "sha256": "0" * 64})
    ((kind, error),) = answers(load_profile(wrong), (rows(), "", 1, False))
    assert kind == ERROR
    assert isinstance(error, PriorError)
    assert "pins the prior 0000000000000000" in str(error)


class PickyError(Exception):
    """Can be pickled, and not made again: it keeps one of its two arguments."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)
        self.other = other


@pytest.mark.parametrize(
    ("raised", "expected", "emptied"),
    [
        (MemoryError("no room"), MemoryError, True),
        (RuntimeError("CUDA out of memory"), RuntimeError, True),
        (SourceError("no", code="some-code"), SourceError, False),
        (PickyError("one", "two"), RuntimeError, False),
    ],
)
def test_what_goes_wrong_there_is_raised_here_with_its_place(
    small: medaug.Profile,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    expected: type[Exception],
    emptied: bool,
) -> None:
    let_go: list[int] = []

    def broken(*_: Any) -> list[Any]:
        raise raised

    monkeypatch.setattr(child, "solve_slices", broken)
    monkeypatch.setattr(child, "let_go", lambda: let_go.append(1))
    _, (kind, error) = answers(small, (rows(), "", 1, False))
    assert kind == ERROR
    assert type(error) is expected
    assert getattr(error, "code", "some-code") == "some-code"
    assert place_of(error).startswith("test_solver_process.py")
    assert bool(let_go) == emptied


def test_the_prior_under_a_prompt_is_asked_for_by_its_text(
    small: medaug.Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompted = small.model_copy(update={"prompt": {"nodule": "a nodule", "mass": "a mass"}})
    tools = assemble.tools(prompted, "cpu", RemotePrior(assemble.load_prior(small, "cpu").card))
    assert tools.solve.prompted is not None
    both, other = tools.solve.prompted(["nodule", "mass", "cyst"]), tools.solve.prompted(["cyst"])
    assert isinstance(both, RemotePrior)
    assert both.prompt == "a mass, a nodule"
    assert tools.solve.prompted(["mass", "nodule"]) is both  # so that one batch may hold both cases
    assert other is tools.solve.prior
    seen: list[str] = []

    def solve(_rows: Sequence[PresentedSlice], prior: Any, *_: Any) -> list[Any]:
        seen.append(prior)
        return []

    monkeypatch.setattr(assemble, "under_prompt", lambda *_: str.upper)
    monkeypatch.setattr(assemble, "tools", lambda *_: changed(tools, prompted=None))
    monkeypatch.setattr(child, "solve_slices", solve)
    answers(prompted, (rows(), both.prompt, 1, False), (rows(), "", 1, False))
    assert seen == ["A MASS, A NODULE", tools.solve.prior]


def test_nothing_is_computed_with_what_stands_for_the_prior(small: medaug.Profile) -> None:
    stand_in = RemotePrior(assemble.load_prior(small, "cpu").card)
    for use in (stand_in.encode, stand_in.decode, lambda z: stand_in.denoise(z, z), lambda _: stand_in.alphas_cumprod):
        with pytest.raises(NotImplementedError, match="another process"):
            use(None)  # type: ignore[arg-type]


def test_a_process_that_dies_as_it_starts_is_named(small: medaug.Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver_process, "CHILD", "medaug.no_such_module")
    with pytest.raises(RunError, match=r"died while it loaded the prior \(status 1\)"):
        SolverProcess(small, "cpu", 1).prior()
