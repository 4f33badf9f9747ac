"""Workers on a Ray cluster. Each holds its own prior, one call is in flight for each, what one loses goes to others.

Ray starts, restarts and reaches workers. What is done and how often it was tried stands in OUTPUT, which every node
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
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from medaug.errors import MedaugError, RunError
from medaug.execution.executors.executor import guarded, stretch
from medaug.execution.output.open import attach
from medaug.execution.output.quarantine import DEATHS
from medaug.execution.planning.units import Queue, Unit
from medaug.execution.worker.attempt import Setup
from medaug.execution.worker.pipeline import Done, Step, flow
from medaug.processes import threads
from medaug.storage.locks import is_free, locked
from medaug.version import __version__

LOOK = 2.0  # seconds between looks at the nodes
PATIENCE = 300.0  # seconds without any worker after which a run stops
BURIALS = 6  # workers that may be lost in a row before one has finished a unit
LOGS = "medaug-ray-"  # folders for temporary files that begin with this are ours
HELD = "driver.lock"
STORE_BYTES = 80 << 20  # Ray's least: nothing big passes through it, images are read from and written to files


class Worker:
    """What runs on a node, as a Ray actor."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._bench = setup, setup.bench()

    def hello(self) -> tuple[str, str]:
        """The node's name in Ray, and medaug's version there."""
        return _ray().get_runtime_context().get_node_id(), __version__

    def do(self, units: Sequence[Unit]) -> list[Done] | MedaugError:
        """Try units; an error that no unit would survive comes back as a value."""

        def work() -> list[Done]:
            return list(flow(self._setup, attach(self._setup.root), self._bench, units))

        return guarded(work)


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it: it has no node before it said hello, and gets no unit until then."""

    actor: Any
    hello: Any
    call: Any = None
    units: list[Unit] = field(default_factory=list)
    node: str = ""

    @property
    def awaited(self) -> Any:
        return self.call if self.node else self.hello


def cluster(
    count: int | None, address: str | None, setup: Setup, units: Collection[Unit], on_step: Step | None = None
) -> Iterator[Done]:
    """Spread the units over ``count`` workers of a cluster; steps inside a unit aren't told.

    Args:
        count: workers; None for one on each device, or on each processor where there is no device.
        address: of a running cluster; None starts one on this machine, which ends with the run.
        setup: what a worker needs; it must be there on every node.
        units: what to do.
        on_step: not called.

    Raises:
        MedaugError: what a worker met that no unit would survive.
        RunError: Ray isn't installed, can't be reached, or has no room for a worker.
    """
    del on_step
    with _connected(address, count) as ray:
        gpus = int(ray.cluster_resources().get("GPU", 0)) if setup.device != "cpu" else 0
        wanted = count or gpus or int(ray.cluster_resources().get("CPU", 1))
        wanted = min(wanted, gpus) if gpus else wanted
        hire = partial(_hire, ray, setup, gpus=1 if gpus else 0)
        yield from _spread(ray, hire, wanted, Queue(units))


def _spread(ray: Any, hire: Any, count: int, queue: Queue) -> Iterator[Done]:
    hands: list[_Hand] = [hire() for _ in range(min(count, len(queue)))]
    lost, seen = 0, time.monotonic()
    look = seen + LOOK
    try:
        while queue or any(hand.units for hand in hands):
            for hand in hands:
                if queue and hand.node and not hand.units:
                    _give(hand, queue.take(stretch(len(queue), count)))
            ready, _ = ray.wait([h.awaited for h in hands if h.awaited is not None], timeout=LOOK)
            for hand in [hand for hand in hands if hand.awaited in ready]:
                done = _hear(ray, hand)
                if done is None:
                    hands[hands.index(hand)] = _replace(ray, hand, hire, queue)
                    lost = _counted(lost + 1)
                else:
                    lost = 0 if done else lost
                    yield from done
            if time.monotonic() > look:
                for hand in _stranded(ray, hands):
                    hands[hands.index(hand)] = _replace(ray, hand, hire, queue)
                look = time.monotonic() + LOOK
            seen = time.monotonic() if ready or any(hand.units for hand in hands) else seen
            _check_patience(ray, seen)
    finally:
        for hand in hands:
            with suppress(Exception):  # the cluster may be gone
                ray.kill(hand.actor)


def _hire(ray: Any, setup: Setup, *, gpus: int) -> _Hand:
    """A worker that is started again wherever there is room; a poisonous unit ends by the attempts counted on disk."""
    options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": DEATHS}
    setup = replace(setup, threads=threads.of_a_solve())  # Ray gives its workers one; results are this process's
    actor = ray.remote(Worker).options(**options).remote(setup)
    return _Hand(actor, actor.hello.remote())


def _give(hand: _Hand, units: list[Unit]) -> None:
    """One call is in flight for each worker; in it, every unit is claimed, tried and counted by itself on disk."""
    hand.units, hand.call = units, hand.actor.do.remote(units)


def _hear(ray: Any, hand: _Hand) -> list[Done] | None:
    """What a worker said: that it is there, or what became of its units; None when it is lost."""
    try:
        said = ray.get(hand.awaited)
    except ray.exceptions.RayActorError:
        return None
    except ray.exceptions.RayError as error:
        raise RunError(
            f"a Ray worker could not do its work ({type(error).__name__}); medaug {__version__} must be installed on "
            "every node, and every node must see INPUT and OUTPUT under the same path"
        ) from None
    if isinstance(said, MedaugError):
        raise said
    if not hand.node:
        hand.node, version = said
        if version != __version__:
            raise RunError(f"a Ray node has medaug {version}, this machine {__version__}; install the same on both")
        return []
    hand.units, hand.call = [], None
    return list(said)


def _replace(ray: Any, hand: _Hand, hire: Any, queue: Queue) -> _Hand:
    """Give away what a lost worker had, and look for another one."""
    queue.back(hand.units)
    hand.units = []
    with suppress(Exception):  # it may be gone for good
        ray.kill(hand.actor)
    new: _Hand = hire()
    return new


def _stranded(ray: Any, hands: Sequence[_Hand]) -> list[_Hand]:
    """Workers whose node is gone: Ray would keep them waiting for one with room."""
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return [hand for hand in hands if hand.node and hand.node not in alive]


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
