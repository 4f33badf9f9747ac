"""Several workers on one machine. Each holds its own prior; a dead one is replaced.

`concurrent.futures.ProcessPoolExecutor` gives up on all units when one worker is killed; here its units go back into
the queue, and `attempt` leaves one alone once it killed three.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from medaug.errors import MedaugError, RunError
from medaug.execution.executors.executor import guarded, stretch
from medaug.execution.output.open import attach
from medaug.execution.planning.units import Queue, Unit
from medaug.execution.worker.attempt import Setup
from medaug.execution.worker.pipeline import Done, Step, flow

BURIALS = 6  # workers that may die in a row before one has finished a unit
GRACE = 5.0  # seconds for a worker to drop its unit


@dataclass
class _Worker:
    """A process, its line to us, and the units it has, by key."""

    process: SpawnProcess
    line: Connection
    units: dict[str, Unit] = field(default_factory=dict)


def processes(count: int, setup: Setup, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """Spread the units over ``count`` processes.

    Raises:
        MedaugError: what a worker met that no unit would survive.
        RunError: workers die without finishing anything.
    """
    queue = Queue(units)
    workers = [_start(setup, number) for number in range(min(count, len(units)))]
    deaths = 0
    try:
        while queue or any(worker.units for worker in workers):
            for worker in workers:
                if queue and not worker.units:
                    _give(worker, queue.take(stretch(len(queue), count)))
            ready = wait([worker.line for worker in workers if worker.units])
            for number, worker in enumerate(workers):
                if worker.line not in ready:
                    continue
                try:
                    done = _hear(worker, on_step)
                except (EOFError, OSError):
                    deaths = _bury(worker, queue, deaths)
                    workers[number] = _start(setup, number)
                else:
                    deaths = 0 if done else deaths
                    yield from done
    finally:
        _stop(workers)


def _start(setup: Setup, number: int) -> _Worker:
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks and a device's state
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, setup, number), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _give(worker: _Worker, units: list[Unit]) -> None:
    worker.units = {unit.recipe.id: unit for unit in units}
    with suppress(OSError):  # it is dead: its line will say so
        worker.line.send(units)


def _hear(worker: _Worker, on_step: Step | None) -> list[Done]:
    """One message: a step, an outcome, or an error that ends the run."""
    message = worker.line.recv()
    if isinstance(message, MedaugError):
        raise message
    key, *rest = message
    if len(rest) == 2:
        if on_step:
            on_step(worker.units[key], *rest)
        return []
    return [(worker.units.pop(key), *rest)]


def _bury(worker: _Worker, queue: Queue, deaths: int) -> int:
    """Put a dead worker's units back; the count of workers that died in a row."""
    worker.process.join()
    worker.line.close()
    queue.back(worker.units.values())
    worker.units = {}
    if deaths + 1 > BURIALS:
        raise RunError(
            f"{deaths + 1} workers died one after the other, the last with exit code {worker.process.exitcode}, and "
            "none finished a unit; look at the machine's memory and log, or try --workers 1"
        )
    return deaths + 1


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.line.close()
        if worker.units:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _tell(line: Connection, unit: Unit, step: int, steps: int) -> None:
    with suppress(OSError):  # the parent is gone: the unit is finished all the same
        line.send((unit.recipe.id, step, steps))


def _do(line: Connection, outcomes: Iterator[Done]) -> None:
    for unit, record in outcomes:
        line.send((unit.recipe.id, record))


class _Dropped(BaseException):
    """SIGTERM came: the unit is dropped."""


def _work(line: Connection, setup: Setup, number: int) -> None:
    """A worker's life: units in, outcomes out, until the line is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    signal.signal(signal.SIGTERM, _drop)
    try:
        store, bench = attach(setup.root), setup.bench()
        bench.wanted_device = _own_device(setup.device, number)
        while True:
            units = line.recv()
            error = guarded(partial(_do, line, flow(setup, store, bench, units, partial(_tell, line))))
            if error is not None:
                line.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError, _Dropped):
        return


def _drop(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise _Dropped


def _own_device(device: str, number: int) -> str:
    """One device per worker, in turn, where the machine has several and none was named."""
    if device not in {"auto", "cuda"}:
        return device
    import torch

    found = torch.cuda.device_count()
    return f"cuda:{number % found}" if found else device
