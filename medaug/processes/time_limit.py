"""A limit on the processor time of a piece of work, after which it is left and what comes next goes on.

Whatever takes that long is a fault of the input or of ours, and nobody should have to end the whole run for it. The
limit is one of the thread's own processor time, so that a busy machine blames nobody; a thread that only waits has ten
times as long. It is raised between two steps of Python. One call into a library that doesn't return ends the process
(`last_resort`), once it took so much more that what other threads do meanwhile can't be the reason.
"""

from __future__ import annotations

import ctypes
import threading
import time
from pathlib import Path

from medaug.errors import SourceError
from medaug.processes.last_resort import last_resort
from medaug.processes.threads import cores

TIME_LIMIT = "time-limit"
SPARE = 30.0  # seconds of a process that ends only over what would never end
WAITING = 10  # times as long, where it isn't the processor that the thread has


class _OverTime(BaseException):
    """Raised in the thread that takes too long. No Exception: what it is in the middle of would take it for its own."""


class limited:  # noqa: N801 - it reads as what it does: with limited(20, "reading it")
    """Leave what is done inside once it has taken so many seconds of the processor.

    Args:
        seconds: of this thread's processor time.
        what: how the message calls it, such as ``reading it``.
        trace: where it is noted if this process has to end over it.

    Raises:
        SourceError: ``time-limit``, when it ends.
    """

    def __init__(self, seconds: float, what: str, trace: Path | None = None) -> None:
        self._seconds, self._what = seconds, what
        self._last_resort = last_resort(of_all_threads(seconds), trace)

    def __enter__(self) -> None:
        self._last_resort.__enter__()
        self._watch = _Watch(self._seconds)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._watch.stop(arrived=kind is _OverTime)
        except _OverTime:
            kind = _OverTime
        finally:  # nothing is raised in this thread any more
            self._last_resort.__exit__(None, None, None)
        if kind is _OverTime:
            most = f"more than the {self._seconds:.0f} s of the processor that an image of its size may have"
            raise SourceError(f"{self._what} takes {most}; it is left alone", code=TIME_LIMIT) from None


def of_all_threads(seconds: float) -> float:
    """Of a process one of whose threads may take ``seconds``: every core may be busy meanwhile, with something else."""
    return SPARE + seconds * (2 + cores())


class _Watch:
    """Looks at the thread that made it, when its time may be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._started = seconds, time.monotonic()
        self._thread = threading.get_ident()
        self._before = self._spent()
        self._lock, self._done, self._fired = threading.Lock(), False, False
        self._timer = self._after(seconds)

    def stop(self, *, arrived: bool) -> None:
        """Look no more; what was to be raised is raised now at the latest.

        It isn't waited for: raised where exceptions are swallowed, such as in a ``__del__``, it never arrives.
        """
        with self._lock:
            self._done = True
        self._timer.cancel()
        if self._fired and not arrived:
            _raise_in(self._thread, None)
            raise _OverTime

    def _after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(max(seconds, 0.05), self._look)
        timer.daemon = True
        timer.start()
        return timer

    def _look(self) -> None:
        with self._lock:
            if self._done:
                return
            left = self._seconds - (self._spent() - self._before)
            if left > 0 and time.monotonic() - self._started < WAITING * self._seconds:
                self._timer = self._after(left)
                return
            self._done = self._fired = True
            _raise_in(self._thread, _OverTime)

    def _spent(self) -> float:
        """Processor time of the thread; where the system doesn't say, the time of day."""
        try:
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread))
        except (AttributeError, OSError):
            return time.monotonic()


def _raise_in(thread: int, what: type[BaseException] | None) -> None:
    """Have a thread raise something at its next step; None takes back what it hasn't raised yet."""
    given = None if what is None else ctypes.py_object(what)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
