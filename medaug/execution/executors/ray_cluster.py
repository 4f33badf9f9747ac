"""Workers on a Ray cluster. Each holds its own prior, one call is in flight for each, what one loses goes to others.

Ray starts and reaches workers. What is done and how often it was tried stands in OUTPUT, which every node
must see under the same path: a driver that is killed takes its workers along, and the same command continues.
"""

from __future__ import annotations

import importlib
import os
import random
import secrets
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from medaug.errors import MedaugError, RunError
from medaug.execution.executors.executor import guarded, stretch
from medaug.execution.output.open import attach
from medaug.execution.planning.request import RunRequest, io_workers_beside
from medaug.execution.planning.units import Queue, Unit
from medaug.execution.worker.job import Work
from medaug.execution.worker.pipeline import Done, Step, work_through
from medaug.execution.worker.worker import Worker
from medaug.processes import threads
from medaug.processes.freed_memory import keep_freed_memory
from medaug.storage.locks import is_free, locked
from medaug.version import __version__

LOOK = 2.0  # seconds to wait for an answer
PATIENCE = 300.0  # seconds without any worker after which a run stops
BURIALS = 6  # workers that may be lost in a row before one has finished a unit
LOGS = "medaug-ray-"  # folders for temporary files that begin with this are ours
HELD = "driver.lock"
STORE_BYTES = 80 << 20  # Ray's least: nothing big passes through it, images are read from and written to files


class Actor:
    """What runs on a node."""

    def __init__(self, worker: Worker, work: Work) -> None:
        keep_freed_memory()
        self._worker, self._work = worker, work

    def version(self) -> str:
        """Medaug's there."""
        return __version__

    def do(self, units: Sequence[Unit]) -> list[Done] | MedaugError:
        """Try units; an error that no unit would survive comes back as a value."""
        root = self._worker.root
        return guarded(lambda: list(work_through(self._worker, attach(root), units, self._work)))


def cluster(worker: Worker, work: Work, units: Collection[Unit], on_step: Step | None = None) -> Iterator[Done]:
    """Spread the units over workers of a cluster; steps inside a unit aren't told.

    Args:
        worker: what they are made of; its request says how many, and where the cluster is. OUTPUT must be there on
            every node.
        work: what is done with a unit.
        units: what to do.
        on_step: not called.

    Raises:
        MedaugError: what a worker met that no unit would survive.
        RunError: Ray isn't installed, can't be reached, or has no room for a worker.
    """
    del on_step
    request, count = worker.request, worker.request.workers
    with _connected(request.address, count) as ray:
        gpus = int(ray.cluster_resources().get("GPU", 0)) if request.device != "cpu" else 0
        cpus = int(ray.cluster_resources().get("CPU", 1))
        io_workers = _io_workers(request, len(units), cpus, gpus)
        worker = Worker(request, worker.root, threads=threads.of_a_solve(), io_workers=io_workers)  # Ray gives it one
        wanted = count or gpus or max(1, cpus // (1 + io_workers))
        # Ray would let a lost worker's units wait for room on a node that is gone: another worker takes them
        actor = ray.remote(Actor).options(num_cpus=1 + io_workers, num_gpus=1 if gpus else 0, max_restarts=0)
        hire, least = partial(actor.remote, worker, work), min(wanted, gpus or wanted)
        yield from _spread(ray, hire, least, Queue(units), io_workers)


def _io_workers(request: RunRequest, units: int, cpus: int, gpus: int) -> int:
    """Processes that read and write for each worker: what is asked for, or a device's share of the processors."""
    if request.io_workers is not None:
        return request.io_workers
    return io_workers_beside("cuda", cpus // gpus, units) if gpus else 0


def _spread(ray: Any, start: Callable[[], Any], count: int, queue: Queue, io_workers: int = 0) -> Iterator[Done]:
    """One call is in flight for each worker; in it, every unit is leased, tried and counted by itself on disk."""
    calls: dict[Any, tuple[Any, list[Unit]]] = {}  # what is awaited → who does it, and the units that it has
    idle: list[Any] = []
    lost, heard = 0, time.monotonic()

    def hire() -> None:
        actor = start()
        calls[actor.version.remote()] = actor, []  # until it answers it may wait for room: it gets no unit yet

    try:
        for _ in range(min(count, len(queue))):
            hire()
        while queue or any(units for _, units in calls.values()):
            ready, _ = ray.wait(list(calls), timeout=LOOK)
            for call in ready:
                actor, units = calls.pop(call)
                done = _hear(ray, call)
                if done is None:
                    lost = _counted(lost + 1)
                    queue.back(units)
                    hire()
                    continue
                lost = 0 if done else lost
                idle.append(actor)
                yield from done
            while queue and idle:
                actor, units = idle.pop(), queue.take(stretch(len(queue), count, io_workers))
                calls[actor.do.remote(units)] = actor, units
            heard = time.monotonic() if ready or any(units for _, units in calls.values()) else heard
            _check_patience(ray, heard)
    finally:
        for actor in (*idle, *(actor for actor, _ in calls.values())):
            with suppress(Exception):  # the cluster may be gone
                ray.kill(actor)


def _hear(ray: Any, call: Any) -> list[Done] | None:
    """What became of a call's units, none where it asked for the version; None when the worker is lost."""
    try:
        said = ray.get(call)
    except ray.exceptions.RayActorError:
        return None
    except ray.exceptions.RayError as error:
        raise RunError(
            f"a Ray worker could not do its work ({type(error).__name__}); medaug {__version__} must be installed on "
            "every node, and every node must see INPUT and OUTPUT under the same path"
        ) from None
    if isinstance(said, MedaugError):
        raise said
    if isinstance(said, str) and said != __version__:
        raise RunError(f"a Ray node has medaug {said}, this machine {__version__}; install the same on both")
    return [] if isinstance(said, str) else list(said)


def _counted(lost: int) -> int:
    if lost > BURIALS:
        raise RunError(
            f"{lost} Ray workers were lost one after the other and none finished a unit; look at the nodes' memory and "
            "at Ray's log, or try --executor serial"
        )
    return lost


def _check_patience(ray: Any, seen: float) -> None:
    if time.monotonic() - seen > PATIENCE:
        raise RunError(
            f"no Ray worker could be started in {PATIENCE:.0f} s; the cluster has {ray.available_resources()} free, a "
            "worker needs one CPU and, with --device auto or cuda, one GPU where the cluster has any"
        )


@contextmanager
def _connected(address: str | None, count: int | None) -> Iterator[Any]:
    """Ray, connected and shut down again."""
    _check_address(address)
    with _settings(address), _logs(address) as folder:
        ray = _ray()
        with suppress(AttributeError):  # the settings above, should ray have been imported before
            ray._raylet.Config.initialize("")  # noqa: SLF001 - as Ray does it itself
        own = {"num_cpus": max(count or 1, os.cpu_count() or 1), "include_dashboard": False, "_temp_dir": folder}
        own["object_store_memory"] = STORE_BYTES
        drawn = random.getstate()  # Ray draws names from it
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": "error"}
        try:
            ray.init(address or "local", **quiet, **(own if address is None else {}))
            _restore(handlers)  # Ray takes SIGTERM for itself
            yield ray
        except (ConnectionError, ray.exceptions.AuthenticationError) as error:
            raise RunError(
                f"Ray: no connection to the cluster ({type(error).__name__}); give the --address of a running one and "
                "its token (RAY_AUTH_TOKEN; RAY_AUTH_MODE=disabled for a cluster without one), or leave --address out"
            ) from None
        finally:
            ray.shutdown()
            random.setstate(drawn)
            _restore(handlers)


@contextmanager
def _logs(address: str | None) -> Iterator[str | None]:
    """A folder for the logs of a cluster of our own, which goes with it: Ray would leave them in /tmp/ray."""
    if address is not None:
        yield None
        return
    sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=LOGS))
    try:
        with locked(folder / HELD):
            yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove what killed drivers of this user left: folders of ours whose lock, which dies with its holder, is free."""
    if sys.platform == "win32":
        return  # there is no telling who is dead
    for folder in parent.glob(f"{LOGS}*"):
        with suppress(OSError):
            facts = folder.lstat()
            own = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
            if own and (folder / HELD).is_file() and is_free(folder / HELD):
                shutil.rmtree(folder, ignore_errors=True)


def _check_address(address: str | None) -> None:
    """Ray waits for minutes for a cluster that isn't there."""
    if address is None or address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "/" in address or not (host and port.isdecimal()):
        raise RunError(f"address: expected host:port of a cluster's head, or auto, found {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise RunError(f"Ray: no connection to {address} ({error.strerror or type(error).__name__})") from None


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    with suppress(ValueError):  # not the main thread: nobody's handlers were touched
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _settings(address: str | None) -> Iterator[None]:
    """What Ray reads from the environment only: no usage statistics, and a token, without which anybody may run code.

    A cluster of our own gets a token of its own. For another's, the user's words on authentication stand.
    """
    wanted = {"RAY_USAGE_STATS_ENABLED": "0"}
    if address is None:
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()}
    elif "RAY_AUTH_MODE" not in os.environ:
        wanted |= {"RAY_AUTH_MODE": "token"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@cache
def _token() -> str:
    """One for the life of this process: Ray reads it once."""
    return secrets.token_hex(32)


def _ray() -> Any:
    """The package, loaded when first needed."""
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise RunError(
            "executor ray: the package ray is not installed; pip install 'medaug[ray]', or take --executor processes"
        ) from None
