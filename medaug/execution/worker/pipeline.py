"""One worker's pipeline: while a batch is solved, the next units are read and the last ones are written.

A thread reads and presents units, the caller's thread solves them, a third one restores, checks, writes and commits.
With `Worker.io_workers` there are as many pairs of readers and writers, which have it done in processes. Few units are
inside at a time, so that memory doesn't grow with their number. Where batches are filled up (on a device), the slices
of several units go into one batch. What goes wrong in a shared batch, or for lack of memory, and what a worker or one
of its processes died over is tried again with nothing beside it: no unit is blamed for its neighbour.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Semaphore, Thread

from medaug.audit.record import Record
from medaug.augmentation.solve import PresentedSlice
from medaug.execution.output import leases, quarantine
from medaug.execution.output.store import Store
from medaug.execution.planning.units import Unit
from medaug.execution.worker.attempt import attempt, settle
from medaug.execution.worker.dealing import Dealer
from medaug.execution.worker.job import Job, Work
from medaug.execution.worker.remote_stages import stages_of
from medaug.execution.worker.stages import Stages
from medaug.execution.worker.step_limit import no_step_for_ever
from medaug.execution.worker.tickets import BATCHES, Hand, Ticket, UnitsInside
from medaug.execution.worker.unit_of_work import out_of_memory, work_unit
from medaug.execution.worker.worker import Worker
from medaug.inverse.protocols import Prior
from medaug.storage.atomic import disk_errors

Done = tuple[Unit, Record | None]
Step = Callable[[Unit, int, int], None]
LOOK = 0.5  # seconds


class _Left(Exception):  # noqa: N818 - no error of the unit
    """The unit leaves undone."""


def work_through(
    worker: Worker,
    store: Store,
    units: Collection[Unit],
    work: Work = work_unit,
    on_step: Step | None = None,
    stages: Sequence[Stages] | None = None,
) -> Iterator[Done]:
    """Try every unit once, several at a time, and yield each as it ends.

    Args:
        worker: who does them.
        store: of OUTPUT.
        units: what to do.
        work: what is done with a unit; work of one piece is done unit by unit.
        on_step: called with (unit, step, steps) where units are solved one by one.
        stages: the work in stages, for each pair of a reader and a writer; None for those of `work_unit`.

    Raises:
        MedaugError: the disk, the prior or the profile: no unit would fare better.
    """
    alone: Collection[Unit] = units
    if work is work_unit and stages is None:
        stages = stages_of(worker)
        work = stages[0].work if worker.io_workers else work
    if stages is not None and (len(units) > 1 or not worker.solves_here):  # what dies over it there is tried again
        pipeline = _Pipeline(worker, store, units, stages)
        yield from pipeline.run(on_step)
        alone = tuple(pipeline.again)
    for unit in alone:
        yield unit, attempt(store, worker, unit, work, partial(on_step, unit) if on_step else None)


class _Pipeline:
    """The threads and what passes between them. ``again`` holds units that are to be tried with nothing beside them."""

    def __init__(self, worker: Worker, store: Store, units: Collection[Unit], stages: Sequence[Stages]) -> None:
        self.worker, self.store, self.stages = worker, store, stages[0]
        self.again: deque[Unit] = deque()
        self._hands = [Hand(one) for one in stages]
        self._dealer = Dealer(units, len(stages))
        self._read: SimpleQueue[Ticket | None] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._inside = UnitsInside(len(stages))
        self._ending = Lock()
        self._cores = Semaphore(worker.spare)  # one thread too many would take a solve's core from it, again and again
        self._written = Event()
        self._reading = self._writing = len(stages)  # threads that go on
        self._failed: BaseException | None = None
        self._batch = 0
        self._waiting: list[tuple[Ticket, PresentedSlice]] = []  # for a batch to be filled

    def run(self, on_step: Step | None) -> Iterator[Done]:
        """The caller's thread: solve what is ready, and tell what is done."""
        self._batch = self._inside.batch = self.stages.batch(self.worker)
        works = (self._read_all, self._write_all)
        pairs = ((work, hand) for hand in self._hands for work in works)
        threads = [Thread(target=self._guarded, args=pair, daemon=True) for pair in pairs]
        for thread in threads:
            thread.start()
        try:
            while (ticket := self._next()) is not None:
                self._take(ticket, on_step)
                yield from self._news()
            self._solve_waiting(all_of_it=True)
            self._end_writing()
            self._written.wait()  # not join: interrupted by a signal's exception, that takes the thread for ended
            yield from self._news()
            if self._failed is not None:
                raise self._failed
        finally:
            self._inside.stop()
            self._end_writing()
            for thread in threads:
                thread.join()
            for ticket in self._inside.tickets:
                ticket.close(_Left())

    def _next(self) -> Ticket | None:
        started = time.monotonic()
        try:
            while True:
                with suppress(Empty):
                    return self._read.get(timeout=LOOK)
                if self._inside.stuck([waiting for waiting, _ in self._waiting]):
                    self._solve_waiting(all_of_it=True)
        finally:
            self.worker.waited += time.monotonic() - started

    def _news(self) -> Iterator[Done]:
        with suppress(Empty):
            while True:
                yield self._done.get_nowait()

    # --- reading

    def _read_all(self, hand: Hand) -> None:
        try:
            for unit in self._dealer.deal():
                if not self._inside.wait_to_enter(unit):
                    return
                try:
                    self._read_one(unit, hand)
                finally:
                    self._inside.entered(unit)
        finally:
            with self._ending:
                self._reading -= 1
                last = not self._reading
            if last:
                self._read.put(None)

    def _read_one(self, unit: Unit, hand: Hand) -> None:
        if leases.traces(self.store.staging, unit.recipe.id):
            self.again.append(unit)  # workers died over it, or over its neighbours: it goes alone
            return
        lease = self.store.lease(unit.recipe.id)
        with disk_errors("a lease"):
            claim = lease.__enter__()
        if claim is None or self.store.holds(unit.recipe.id):
            lease.__exit__(None, None, None)
            self._done.put((unit, None if claim is None else self.store.record_of(unit.recipe.id)))
            return
        ticket = Ticket(Job(self.store, self.worker, unit, claim), lease, hand)
        self._inside.entered(unit, ticket)
        started = time.monotonic()
        try:
            claim.stage("read")
            with self._cores:
                ticket.presented = hand.stages.prepare(ticket.job)
            ticket.rows = len(ticket.presented.slices) if self._batch else 0
        except Exception as error:  # noqa: BLE001 - it is recorded, see `settle`
            ticket.error = error
        ticket.spent = time.monotonic() - started
        self._read.put(ticket)

    # --- solving

    def _take(self, ticket: Ticket, on_step: Step | None) -> None:
        started = time.monotonic()
        if ticket.error is not None or ticket.presented is None:
            ticket.hand.solved.put(ticket)
        elif ticket.rows:
            self._waiting += [(ticket, row) for row in ticket.presented.slices]
            ticket.job.lease.stage("solve")
            self._solve_waiting(all_of_it=False)
        else:
            ticket.job.lease.stage("solve")
            try:
                tell = partial(on_step, ticket.job.unit) if on_step else None
                with no_step_for_ever(self.worker, tell, ticket.job.lease.trace) as step:
                    ticket.answer = self.stages.solve(self.worker, ticket.presented, step)
            except Exception as error:  # noqa: BLE001 - likewise
                ticket.error = error
            ticket.spent += time.monotonic() - started
            if quarantine.is_death(ticket.error):
                self._drop(ticket)
            else:
                ticket.hand.solved.put(ticket)
        self.worker.solved += time.monotonic() - started

    def _solve_waiting(self, *, all_of_it: bool) -> None:
        """Solve full batches; what doesn't fill one waits for more, unless nothing more will come."""
        while self._waiting and (all_of_it or len(self._waiting) >= self._batch):
            prior = _prior(self._waiting[0])
            batch = [entry for entry in self._waiting if _prior(entry) is prior][: self._batch]
            if len(batch) < self._batch and not all_of_it and len(self._waiting) < BATCHES * self._batch:
                return  # rows of several prompts, none of which fills a batch yet
            self._waiting = [entry for entry in self._waiting if entry not in batch]
            self._solve_batch(batch, prior)

    def _solve_batch(self, batch: Sequence[tuple[Ticket, PresentedSlice]], prior: Prior) -> None:
        started = time.monotonic()
        tickets = list(dict.fromkeys(ticket for ticket, _ in batch))
        try:
            parts = self.stages.solve_slices(self.worker, [row for _, row in batch], prior)
        except Exception:  # noqa: BLE001 - whose it was shows when each is solved alone
            self._waiting = [entry for entry in self._waiting if entry[0] not in tickets]
            for ticket in tickets:
                self._drop(ticket)
            return
        for (ticket, _), part in zip(batch, parts, strict=True):
            ticket.parts.append(part)
        share = (time.monotonic() - started) / len(batch)
        for ticket in tickets:
            ticket.spent += share * sum(owner is ticket for owner, _ in batch)
            if ticket.presented is not None and len(ticket.parts) == ticket.rows:
                ticket.answer = ticket.parts, self._batch
                ticket.hand.solved.put(ticket)

    # --- writing

    def _write_all(self, hand: Hand) -> None:
        hand.stages.warm(self.worker)
        while (ticket := hand.solved.get()) is not None and not self._inside.stopped:
            try:
                record = self._finish(ticket)
            except BaseException as error:
                ticket.close(error)
                raise
            if record is None:
                self._drop(ticket)
                continue
            ticket.close()
            self._done.put((ticket.job.unit, record))
            self._leave(ticket)

    def _finish(self, ticket: Ticket) -> Record | None:
        """The record; None when the unit is to be tried again alone."""
        job = replace(ticket.job, started=time.monotonic() - ticket.spent)
        try:
            with self._cores:
                return self._finished(job, ticket)
        except Exception as error:  # noqa: BLE001 - see `settle`
            return None if out_of_memory(error) or quarantine.is_death(error) else settle(job, error)

    def _finished(self, job: Job, ticket: Ticket) -> Record:
        if ticket.error is not None or ticket.presented is None or ticket.answer is None:
            raise ticket.error or AssertionError("solved without an answer")
        job.lease.stage("write")
        return ticket.hand.stages.finish(job, ticket.presented, *ticket.answer)

    # --- leaving

    def _drop(self, ticket: Ticket) -> None:
        ticket.close(_Left())
        self.again.append(ticket.job.unit)
        self._leave(ticket)

    def _leave(self, ticket: Ticket) -> None:
        ticket.presented = ticket.answer = None  # pixels go with it
        ticket.parts = []
        self._inside.left(ticket)

    def _guarded(self, work: Callable[[Hand], None], hand: Hand) -> None:
        try:
            work(hand)
        except BaseException as error:  # noqa: BLE001 - the caller's thread raises it
            self._failed = self._failed or error
            self._inside.stop()
        finally:
            if work == self._write_all:
                with self._ending:
                    self._writing -= 1
                    if not self._writing:
                        self._written.set()

    def _end_writing(self) -> None:
        for hand in self._hands:
            hand.solved.put(None)


def _prior(entry: tuple[Ticket, PresentedSlice]) -> Prior:
    presented = entry[0].presented
    assert presented is not None
    return presented.prior
