"""The other end of `asking`: a child's life, task after task, within limits of memory and processor time."""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any

from medaug.errors import SourceError, place_of
from medaug.processes.child import exactly, silenced

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

Task = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]


def serve(tasks: Mapping[str, Task]) -> None:
    """Answer until there is nothing more to answer.

    The answer's facts are ``error``, the name of what was raised, and ``place``; or ``refused``, a code and its
    sentence; or what the task says.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    answers = silenced()
    asked = sys.stdin.buffer
    while head := asked.read(12):
        lengths = struct.unpack("<IQ", head)
        facts = json.loads(exactly(asked, lengths[0]))
        data = bytes(exactly(asked, lengths[1]))
        limit_time(facts["seconds"])
        _answer(answers, tasks[facts["task"]], facts, data)


def _answer(answers: IO[bytes], task: Task, facts: dict[str, Any], data: bytes) -> None:
    said: dict[str, Any] = {}
    cells = b""
    try:
        said, cells = task(facts, data)
    except SourceError as error:
        said = {"refused": [error.code, str(error)], "kind": type(error).__name__}
    except Exception as error:  # noqa: BLE001 - readers of foreign bytes raise anything; the parent has its own words
        said = {"error": type(error).__name__, "place": place_of(error)}
    text = json.dumps(said).encode()
    answers.write(struct.pack("<IQ", len(text), len(cells)) + text)
    answers.write(cells)
    answers.flush()


def limit_memory(over: int, *, for_good: bool = True) -> None:
    """Address space over what is taken now; no core, and for good no file either."""
    if resource is None or not sys.platform.startswith("linux"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of the input
        now = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    least = now + over if hard == resource.RLIM_INFINITY else min(now + over, hard)
    resource.setrlimit(resource.RLIMIT_AS, (least, least if for_good else hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if for_good:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def limit_time(seconds: float) -> None:
    """Whole seconds of this process from now on; beyond them the kernel ends it."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))
