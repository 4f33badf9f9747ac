"""Several workers on one machine. Each holds its own prior; a dead one is replaced.

`concurrent.futures.ProcessPoolExecutor` gives up on all units when one worker is killed; here its units go back into
the queue, and `attempt` leaves one alone once it killed three.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from medaug.errors import MedaugError, RunError
from medaug.execution.executors.executor import guarded, stretch
from medaug.execution.output.open import attach
from medaug.execution.planning.units import Queue, Unit
from medaug.execution.worker.job import Work
from medaug.execution.worker.pipeline import Done, Step, work_through
from medaug.execution.worker.worker import Worker
from medaug.processes.freed_memory import keep_freed_memory

BURIALS = 6  # workers that may die in a row before one has finished a unit
GRACE = 5.0  # seconds for a worker to drop its unit


@dataclass
class _Process:
    """A process with a worker in it, our end of its pipe, and the units it has, by key."""

    process: SpawnProcess
    pipe: Connection
    units: dict[str, Unit] = field(default_factory=dict)


def processes(worker: Worker, work: Work, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """Spread the units over as many processes as the worker's request says.

    Raises:
        MedaugError: what a worker met that no unit would survive.
        RunError: workers die without finishing anything.
    """
    queue, count = Queue(units), worker.request.workers or 1
    start = partial(_start, worker, work)
    running = [start(number) for number in range(min(count, len(units)))]
    deaths = 0
    try:
        while queue or any(one.units for one in running):
            for one in running:
                if queue and not one.units:
                    _give(one, queue.take(stretch(len(queue), count, worker.io_workers)))
            ready = wait([one.pipe for one in running if one.units])
            for number, one in enumerate(running):
                if one.pipe not in ready:
                    continue
                try:
                    done = _hear(one, on_step)
                except (EOFError, OSError):
                    deaths = _bury(one, queue, deaths)
                    running[number] = start(number)
                else:
                    deaths = 0 if done else deaths
                    yield from done
    finally:
        _stop(running)


def _start(worker: Worker, work: Work, number: int) -> _Process:
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks and a device's state
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, worker, work, number), daemon=True)
    process.start()
    theirs.close()
    return _Process(process, ours)


def _give(one: _Process, units: list[Unit]) -> None:
    one.units = {unit.recipe.id: unit for unit in units}
    with suppress(OSError):  # it is dead: its pipe will say so
        one.pipe.send(units)


def _hear(one: _Process, on_step: Step | None) -> list[Done]:
    """One message: a step, an outcome, or an error that ends the run."""
    message = one.pipe.recv()
    if isinstance(message, MedaugError):
        raise message
    key, *rest = message
    if len(rest) == 2:
        if on_step:
            on_step(one.units[key], *rest)
        return []
    return [(one.units.pop(key), *rest)]


def _bury(one: _Process, queue: Queue, deaths: int) -> int:
    """Put a dead worker's units back; the count of workers that died in a row."""
    one.process.join()
    one.pipe.close()
    queue.back(one.units.values())
    one.units = {}
    if deaths + 1 > BURIALS:
        raise RunError(
            f"{deaths + 1} workers died one after the other, the last with exit code {one.process.exitcode}, and "
            "none finished a unit; look at the machine's memory and log, or try --workers 1"
        )
    return deaths + 1


def _stop(running: Sequence[_Process]) -> None:
    for one in running:
        one.pipe.close()
        if one.units:
            one.process.terminate()
    for one in running:
        one.process.join(GRACE)
        if one.process.is_alive():
            one.process.kill()
            one.process.join()


def _tell(pipe: Connection, unit: Unit, step: int, steps: int) -> None:
    with suppress(OSError):  # the parent is gone: the unit is finished all the same
        pipe.send((unit.recipe.id, step, steps))


def _do(pipe: Connection, outcomes: Iterator[Done]) -> None:
    for unit, record in outcomes:
        pipe.send((unit.recipe.id, record))


class _Dropped(BaseException):
    """SIGTERM came: the unit is dropped."""


def _work(pipe: Connection, worker: Worker, work: Work, number: int) -> None:
    """A worker's life: units in, outcomes out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    signal.signal(signal.SIGTERM, _drop)
    keep_freed_memory()
    try:
        store = attach(worker.root)
        worker.request = replace(worker.request, device=_own_device(worker.request.device, number))
        while True:
            units = pipe.recv()
            error = guarded(partial(_do, pipe, work_through(worker, store, units, work, partial(_tell, pipe))))
            if error is not None:
                pipe.send(error)
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

    count = torch.cuda.device_count()
    return f"cuda:{number % count}" if count else device
