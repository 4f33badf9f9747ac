"""The end of a process whose work takes far too much of the processor, wherever it is: inside one endless call, too.

`time_limit` raises an exception between two steps of Python. A call into a library that never returns has no such step,
and may hold the interpreter's lock, so that no thread of ours can do anything about it. The system can: it signals a
process that has taken more processor time than it set itself as a limit (RLIMIT_CPU), and SIGXCPU ends it. Before it
does, Python's fault handler, which needs no lock either, writes where the process was onto the ``trace``: whoever finds
that knows what the process died of. On Windows there is no such limit.
"""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

ENDED = 24  # SIGXCPU's number on Linux: a shell shows 128 more, and `subprocess` its negative


@dataclass(eq=False)
class _Work:
    """Something that goes on: when the process's clock ends it, and where that is written."""

    end: float
    trace: int | None


_lock = threading.Lock()
_going_on: list[_Work] = []
_before: list[int] = []  # the limit that the process had when nothing went on; it is kept, and put back


@contextmanager
def last_resort(seconds: float, trace: Path | None = None) -> Iterator[Callable[[], None]]:
    """End this process if what is done inside isn't done by then.

    Args:
        seconds: of the processor, of all threads of the process.
        trace: a file onto whose end is written where the process was.

    Yields:
        What gives the work its time anew, for one that gets on in steps.
    """
    if resource is None:
        yield lambda: None
        return
    work = _Work(time.process_time() + seconds, _opened(trace))

    def anew() -> None:
        with _lock:
            work.end = time.process_time() + seconds
            _arm()

    with _lock:
        if not _going_on:
            _before[:] = [resource.getrlimit(resource.RLIMIT_CPU)[0]]
        _going_on.append(work)
        _arm()
    try:
        yield anew
    finally:
        with _lock:
            _going_on.remove(work)
            _arm()
        if work.trace is not None:
            os.close(work.trace)


def ended_so(status: int) -> bool:
    """Whether an exit status, negative for a signal, is that of a process that ended so."""
    return -status == ENDED


def _arm() -> None:
    """The limit of the process is the first end of all that goes on in it, or its own where that comes before."""
    first = min(_going_on, key=lambda work: work.end, default=None)
    (own,) = _before
    end = own if first is None else math.ceil(first.end) + 1
    most = end if own == resource.RLIM_INFINITY else min(end, own)
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    if first is not None and first.trace is not None:
        faulthandler.register(signal.SIGXCPU, file=first.trace, all_threads=False, chain=True)
    else:
        faulthandler.unregister(signal.SIGXCPU)


def _opened(trace: Path | None) -> int | None:
    """The system keeps it for the fault handler, which can open nothing any more."""
    if trace is None:
        return None
    try:
        return os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    except OSError:  # it explains a death; without it the limit is as good
        return None
