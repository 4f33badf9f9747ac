"""The pipeline of one worker: overlap, shared batches, bounded memory, and nobody blamed for a neighbour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import medaug
from medaug import assemble
from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, solve_slices
from medaug.errors import OutputError, ReadError
from medaug.execution.execute import execute
from medaug.execution.output import open as opening
from medaug.execution.output import quarantine
from medaug.execution.output.lists import listing_of
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.job import Job
from medaug.execution.worker.pipeline import Done, work_through
from medaug.execution.worker.stages import STAGES, Stages
from medaug.execution.worker.tickets import BATCHES, LEAST, MOST, SMALL
from medaug.execution.worker.unit_of_work import OUT_OF_MEMORY
from medaug.execution.worker.worker import Worker
from medaug.processes.time_limit import limited
from tests.support import null
from tests.support.cases import changed
from tests.support.disk import Disk, Killed, copy
from tests.support.outputs import continued, dead, faults_of, settled, written
from tests.support.small_runs import contents, small_profile

PROMPT = 30.0  # seconds after which something that should happen at once didn't


@dataclass(eq=False)
class Case:
    """What of `Presented` the pipeline touches."""

    unit: Unit
    count: int = 1
    prior: str = "prior"

    @property
    def slices(self) -> list[str]:
        return [f"{self.unit.recipe.id}:{k}" for k in range(self.count)]


@dataclass
class Fake:
    """Stages that take no time and keep account; ``batch`` 0 solves unit by unit."""

    batch: int = 0
    slices: int = 1
    batches: list[int] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def stages(self) -> Stages:
        return Stages(lambda _: self.batch, self.prepare, self.solve, self.solve_slices, self.finish)  # type: ignore[arg-type]

    def prepare(self, job: Job) -> Case:
        unit = job.unit
        with self.lock:
            self.inside.add(unit.recipe.id)
            self.most = max(self.most, len(self.inside))
        return Case(unit, self.slices)

    def solve(self, _worker: Worker, case: Case, _on_step: Any) -> tuple[list[str], int]:
        return [row.upper() for row in case.slices], 1

    def solve_slices(self, _worker: Worker, rows: Sequence[str], _prior: Any) -> list[str]:
        self.batches.append(len(rows))
        return [row.upper() for row in rows]

    def finish(self, job: Job, case: Case, solved: Sequence[str], _batch: int) -> Record:
        assert list(solved) == [row.upper() for row in case.slices]
        with self.lock:
            self.inside.discard(job.unit.recipe.id)
        return null.work(job)


def opened(output: Path) -> Store:
    null.run(output, 99)
    return opening.attach(output)


def through(output: Path, fake: Fake, *numbers: int, work: Any = null.work, pairs: int = 1) -> Iterator[Done]:
    store = opened(output) if not output.exists() else opening.attach(output)
    units = [null.unit(n) for n in numbers]
    return work_through(null.worker(output), store, units, work, None, [fake.stages()] * pairs)


def staged(output: Path, stages: Stages, *numbers: int) -> list[Done]:
    units = [null.unit(n) for n in numbers]
    store = opened(output)
    return list(work_through(null.worker(output), store, units, null.work, None, [stages]))


def left_in(output: Path) -> set[str]:
    return {path.name for path in (output / ".staging").iterdir()} - {"clock", "lock"}


def test_slices_of_several_units_fill_batches_and_only_the_last_is_short(tmp_path: Path) -> None:
    fake = Fake(batch=4)
    assert {record.status for _, record in through(tmp_path / "out", fake, *range(1, 11)) if record} == {"written"}
    assert fake.batches == [4, 4, 2]
    volumes = Fake(batch=4, slices=3)
    assert len(list(through(tmp_path / "volumes", volumes, *range(1, 6)))) == 5
    assert volumes.batches == [4, 4, 4, 3]
    assert not left_in(tmp_path / "out")


def test_a_unit_that_takes_too_long_is_left_alone_and_the_others_are_done(tmp_path: Path) -> None:
    fake, slow = Fake(), null.unit(1).recipe.id

    def prepare(job: Job) -> Case:
        with limited(0.2, "reading it"):
            while job.unit.recipe.id == slow:
                job.lease.stage("read")
        return fake.prepare(job)

    stages = Stages(lambda _: 0, prepare, fake.solve, fake.solve_slices, fake.finish)  # type: ignore[arg-type]
    done = staged(tmp_path / "out", stages, 1, 2, 3)
    assert sorted(record.status for _, record in done if record) == ["failed", "written", "written"]
    (entry,) = quarantine.entries(tmp_path / "out")
    assert (entry.unit, entry.code, entry.stage) == (slow, "time-limit", "read")


def test_while_one_is_solved_the_next_is_read_and_the_last_is_written(tmp_path: Path) -> None:
    """Each stage waits for what only the others can do meanwhile; done one after the other it would never end."""
    fake = Fake()
    second_read, first_written = threading.Event(), threading.Event()

    def prepare(job: Job) -> Case:
        if job.unit.recipe.id == null.unit(2).recipe.id:
            second_read.set()
        return fake.prepare(job)

    def solve(worker: Worker, case: Case, on_step: Any) -> Any:
        if case.unit.recipe.id == null.unit(1).recipe.id:
            assert second_read.wait(PROMPT)
        else:
            assert first_written.wait(PROMPT)
        return fake.solve(worker, case, on_step)

    def finish(*given: Any) -> Record:
        first_written.set()
        return fake.finish(*given)

    stages = Stages(lambda _: 0, prepare, solve, fake.solve_slices, finish)  # type: ignore[arg-type]
    done = staged(tmp_path / "out", stages, 1, 2)
    assert [record.status for _, record in done if record] == ["written"] * 2


@pytest.mark.parametrize("spare", [1, 2])
def test_reading_and_writing_take_no_more_cores_than_a_solve_leaves(
    tmp_path: Path, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one core left they take turns; with two, each may wait for the other to begin."""
    monkeypatch.setattr(Worker, "spare", spare)
    fake, busy, most = Fake(), [0], [0]
    both = threading.Barrier(2, timeout=PROMPT)

    def busily(unit: Unit, meets: int) -> None:
        with fake.lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        if spare == 2 and unit.recipe.id == null.unit(meets).recipe.id:
            both.wait()
        time.sleep(0.01)
        with fake.lock:
            busy[0] -= 1

    def prepare(job: Job) -> Case:
        busily(job.unit, 2)
        return fake.prepare(job)

    def finish(job: Job, *rest: Any) -> Record:
        busily(job.unit, 1)
        return fake.finish(job, *rest)

    stages = Stages(lambda _: 0, prepare, fake.solve, fake.solve_slices, finish)  # type: ignore[arg-type]
    done = staged(tmp_path / "out", stages, *range(1, 9))
    assert [record.status for _, record in done if record] == ["written"] * 8
    assert most[0] == spare


@pytest.mark.parametrize(("batch", "pairs"), [(0, 1), (4, 1), (0, 3)])
def test_few_units_are_in_the_pipeline_whatever_their_number(tmp_path: Path, batch: int, pairs: int) -> None:
    fake = Fake(batch=batch)
    assert len(list(through(tmp_path / "out", fake, *range(1, 61), pairs=pairs))) == 60
    assert fake.most <= max(MOST * pairs, BATCHES * batch)


def test_what_goes_wrong_in_a_shared_batch_is_only_the_culprits(tmp_path: Path) -> None:
    bad = null.unit(3).recipe.id
    tried = []

    class Sensitive(Fake):
        def solve_slices(self, worker: Worker, rows: Sequence[str], prior: Any) -> list[str]:
            if any(row.startswith(bad) for row in rows):
                raise RuntimeError("CUDA out of memory")
            return super().solve_slices(worker, rows, prior)

    def alone(job: Job, _on_step: Any = None) -> Record:
        tried.append(job.unit.recipe.id)
        if job.unit.recipe.id == bad:
            raise MemoryError
        return null.work(job)

    done = dict(_by_key(through(tmp_path / "out", Sensitive(batch=4), *range(1, 9), work=alone)))
    assert {key for key, record in done.items() if record.status != "written"} == {bad}
    assert done[bad].code == OUT_OF_MEMORY
    assert [entry.unit for entry in quarantine.entries(tmp_path / "out")] == [bad]
    assert len(tried) == 4  # its batch, and nobody else


def test_what_cannot_be_read_is_recorded_and_the_rest_goes_on(tmp_path: Path) -> None:
    class Unreadable(Fake):
        def prepare(self, job: Job) -> Case:
            if job.unit.recipe.id == null.unit(2).recipe.id:
                raise ReadError("nothing to read")
            return super().prepare(job)

    done = dict(_by_key(through(tmp_path / "out", Unreadable(batch=2), 1, 2, 3)))
    assert sorted(record.status for record in done.values()) == ["failed", "written", "written"]
    assert done[null.unit(2).recipe.id].code == "unreadable"


def test_too_little_memory_to_read_beside_others_is_tried_alone(tmp_path: Path) -> None:
    class Hungry(Fake):
        def prepare(self, job: Job) -> Case:
            if job.unit.recipe.id == null.unit(2).recipe.id:
                raise MemoryError
            return super().prepare(job)

    done = dict(_by_key(through(tmp_path / "out", Hungry(), 1, 2, 3)))
    assert {record.status for record in done.values()} == {"written"}


def test_what_workers_died_over_goes_alone_after_the_others(tmp_path: Path) -> None:
    opened(tmp_path / "out")
    dead(tmp_path / "out" / ".staging", null.unit(1).recipe.id)
    fake, order = Fake(), []
    for unit, record in through(tmp_path / "out", fake, 1, 2, 3):
        assert record
        assert record.status == "written"
        order.append(unit.recipe.id)
    assert order[-1] == null.unit(1).recipe.id
    assert not left_in(tmp_path / "out")


@pytest.mark.parametrize("pairs", [1, 3])
def test_a_disk_that_takes_nothing_ends_the_pipeline_and_frees_every_lease(tmp_path: Path, pairs: int) -> None:
    class Full(Fake):
        def finish(self, *_: Any) -> Record:
            raise OutputError("OUTPUT: no room")

    threads = set(threading.enumerate())
    with pytest.raises(OutputError, match="no room"):
        list(through(tmp_path / "out", Full(batch=2), *range(1, 9), pairs=pairs))
    assert not left_in(tmp_path / "out")
    assert set(threading.enumerate()) <= threads


class Stop(BaseException):
    """What a signal's handler raises."""


def test_an_interruption_drops_what_is_in_the_pipeline_and_frees_every_lease(tmp_path: Path) -> None:
    class Interrupted(Fake):
        def solve(self, worker: Worker, case: Case, on_step: Any) -> Any:
            if case.unit.recipe.id == null.unit(4).recipe.id:
                raise Stop
            return super().solve(worker, case, on_step)

    with pytest.raises(Stop):
        list(through(tmp_path / "out", Interrupted(), *range(1, 9)))
    assert not left_in(tmp_path / "out")
    done = {record.unit for record in written(tmp_path / "out")}
    assert done <= {null.unit(n).recipe.id for n in (1, 2, 3, 99)}
    assert len(list(through(tmp_path / "out", Fake(), *range(1, 9)))) == 8
    lines = [record.unit for record in written(tmp_path / "out")]
    assert len(lines) == len(set(lines)) == 9


@pytest.mark.parametrize("pairs", [1, 2])
def test_the_disk_dies_inside_and_the_run_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: int
) -> None:
    """As in test_crash, with the threads at work: steps interleave otherwise each time, so every third one is tried."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    monkeypatch.setattr("os.fsync", lambda _: None)
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    expected = settled(tmp_path / "whole", key)
    died, step = 0, 20
    while True:
        output, left = tmp_path / f"out{step}", tmp_path / f"left{step}"
        null.run(output, key=key)
        disk = Disk(step)
        planned = null.plan(1, 2)
        listing = listing_of(planned.units)
        store, _ = opening.open_store(output, null.PROFILE, listing, _epoch(), key_file=key, extend=True)
        try:
            with disk.watched():
                list(
                    work_through(null.worker(output), store, planned.units, null.work, None, [Fake().stages()] * pairs)
                )
        except (Killed, OSError):
            died += 1
            copy(output, left)
            assert not faults_of(left), step
            assert not continued(left, key, expected), step
        else:
            break
        step += 3
    assert died > 5


def _epoch() -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(1750000000, UTC)


def _by_key(done: Iterator[Done]) -> Iterator[tuple[str, Record]]:
    for unit, record in done:
        assert record
        yield unit.recipe.id, record


def test_shared_batches_give_the_bytes_of_units_done_one_by_one(
    arguments: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With real units; the devices' way of filling batches, on the processor."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    real, sizes = assemble.tools, []

    def counted(rows: Sequence[PresentedSlice], *rest: Any) -> list[SolvedSlice]:
        sizes.append(len(rows))
        return solve_slices(rows, *rest)

    monkeypatch.setattr(assemble, "tools", lambda *args, **_: changed(real(*args), full=True, solve_slices=counted))
    solver = {"kind": "psld", "steps": 1, "start": 0.3, "omega": 0.05, "gamma": 0.01}
    common = arguments | {"profile": small_profile(tmp_path / "b", batch_size=3, solver=solver)}
    together = medaug.run(**common)
    assert sizes == [3, 1]
    asked = {name: value for name, value in common.items() if name != "output"}
    for unit in medaug.plan(**asked).units:
        shard = (int(unit.recipe.id[:16], 16) % 1009, 1009)
        execute(medaug.plan(**asked, shard=shard), tmp_path / "one")
    assert contents(tmp_path / "one") == contents(together.output)
    assert len(list((tmp_path / "one" / "variants").iterdir())) == 4


def test_large_units_are_fewer_in_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds as many numbers whatever the size of an image; only the three at work are always there."""
    fake = Fake()
    monkeypatch.setattr("medaug.execution.worker.tickets.SMALL", 1)  # a unit of null.plan has one byte
    assert len(list(through(tmp_path / "out", fake, *range(1, 31)))) == 30
    assert fake.most <= LEAST < MOST
    assert SMALL >= 1 << 20


def test_large_units_are_few_for_several_readers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All wait at the door together: none may enter on the room that another takes."""
    fake = Fake()
    monkeypatch.setattr("medaug.execution.worker.tickets.SMALL", 1)
    assert len(list(through(tmp_path / "out", fake, *range(1, 41), pairs=8))) == 40
    assert fake.most <= 8


def test_what_writing_needs_is_loaded_before_the_first_solve_ends(tmp_path: Path) -> None:
    warmed = threading.Event()

    def solve(worker: Worker, case: Any, on_step: Any) -> Any:
        assert warmed.wait(PROMPT)
        return fake.solve(worker, case, on_step)

    fake = Fake()
    stages = replace(fake.stages(), solve=solve, warm=lambda _: warmed.set())
    done = staged(tmp_path / "out", stages, 1, 2)
    assert [record.status for _, record in done if record] == ["written"] * 2
    assert STAGES.warm is not Stages.warm
