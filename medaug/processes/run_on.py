"""A run that `last_resort` ended is taken up again by a process that does nothing but wait for the one that works.

Who works in its own process can't outlive a call that never returns. So the work is done in a child, forked before
anything heavy is loaded; when the system ended that child over its limit of processor time, another one goes on. Any
other end is the parent's, too: the same exit code, or the same signal. On Linux alone; elsewhere the work is done in
the process that was started, and a run goes on when the same command is given again.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from medaug.processes.last_resort import ended_so

MOST = 100  # times; each leaves one unit alone, at least
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG (prctl(2))
PASSED_ON = getattr(signal, "SIGUSR1", None)  # how the child is told of a first SIGINT or SIGTERM
AGAIN = 1.0  # seconds after which another one is passed on as it is
_TOLD = frozenset({signal.SIGINT, signal.SIGTERM})
_begun: list[int] = []  # where the child says that it works


def run_on(say: Callable[[str], object]) -> None:
    """Return in a child that is to work. Its parent never returns: it ends as the last child ended.

    A SIGINT or SIGTERM that another process sends to the parent comes to the child as `PASSED_ON`. It may have gone to
    both, as to all of a group, so the child takes it for the one that it got already, and not for a second.

    Args:
        say: called with a sentence when another child goes on.
    """
    if sys.platform != "linux":
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TOLD | {signal.SIGCHLD})
    for _ in range(MOST):
        reading, writing = os.pipe()
        parent, child = os.getpid(), os.fork()
        if child == 0:
            os.close(reading)
            _begun[:] = [writing]
            ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
            if os.getppid() != parent:  # it died meanwhile
                os._exit(1)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return
        os.close(writing)
        status = _awaited(child)
        begun = _read(reading)
        if not (begun and ended_so(status)):
            break
        say("one call didn't end, and its unit is left alone; going on with the others")
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _end(status)


def at_work() -> None:
    """Say that units are worked on now: from here on it's worth going on after an end by `last_resort`."""
    while _begun:
        writing = _begun.pop()
        os.write(writing, b"w")
        os.close(writing)


def _awaited(child: int) -> int:
    """Its exit code, negative for a signal; what other processes signal is passed on.

    What a terminal signals, the child got by itself, as one of its group.
    """
    first = 0.0
    while True:
        came = signal.sigwaitinfo(_TOLD | {signal.SIGCHLD})
        if came.si_signo == signal.SIGCHLD:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
        elif came.si_code <= 0:  # SI_USER and the like (sigaction(2))
            now = time.monotonic()
            if not first:
                first = now
                os.kill(child, PASSED_ON or came.si_signo)
            elif now - first > AGAIN:
                os.kill(child, came.si_signo)


def _read(reading: int) -> bytes:
    os.set_blocking(reading, False)  # a process that the child left behind may hold the other end
    try:
        return os.read(reading, 1)
    except BlockingIOError:
        return b""
    finally:
        os.close(reading)


def _end(status: int) -> None:
    if status < 0:
        with suppress(OSError):  # SIGKILL can't be handled
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status if status >= 0 else 128 - status)  # the first process of a container can't end by a signal
