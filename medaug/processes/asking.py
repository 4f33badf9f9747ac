"""A child process that is asked one thing after the other, each under a deadline and with bounded answers.

Asked: two lengths, facts as JSON, bytes. Answered: two lengths, facts as JSON, bytes. `serving` is the other end.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from medaug.processes.child import exactly, started

PATIENCE = 5  # wall seconds for each processor second on a busy machine, and for starting
ENDING = 5.0  # seconds for a child that closed its pipe
MAX_FACTS = 1 << 16  # bytes of JSON in an answer
LIMIT_SIGNALS = frozenset({9, 24})  # SIGKILL: the deadline or the hard limit; SIGXCPU: processor time

Said = tuple[dict[str, Any], bytearray]
Reason = Literal["start", "limits", "answer", "death"]


class ChildError(Exception):
    """The child can't be started, broke a limit, or died.

    Args:
        reason: ``start``, ``limits``, ``answer`` (it lives, but what it said was none) or ``death``.
        detail: the system's words, or the exit status.
    """

    def __init__(self, reason: Reason, detail: object = "") -> None:
        super().__init__(f"{reason} {detail}")
        self.reason: Reason = reason
        self.detail = detail


class Child:
    """The process and its two pipes.

    Args:
        module: of this package.
        arguments: of its command line.

    Raises:
        ChildError: it can't be started.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # threads' stacks count as memory
        try:
            self.process = started(module, *arguments, environment=one)
        except OSError as error:
            raise ChildError("start", error.strerror) from error

    def ask(self, facts: Mapping[str, Any], data: bytes, seconds: float, most: int) -> Said:
        """Send a task and wait for the answer.

        Args:
            facts: the task, as JSON.
            data: what it is done with.
            seconds: of processor time that it may take.
            most: bytes that the answer may have beside its facts.

        Raises:
            ChildError: there is none.
        """
        asked = json.dumps({**facts, "seconds": seconds}).encode()
        timer = threading.Timer(PATIENCE * (1 + seconds), self.process.kill)
        timer.daemon = True
        timer.start()
        try:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(struct.pack("<IQ", len(asked), len(data)) + asked)
            self.process.stdin.write(data)
            self.process.stdin.flush()
            said, length = struct.unpack("<IQ", exactly(self.process.stdout, 12))
            answer = json.loads(exactly(self.process.stdout, said, MAX_FACTS))
            return answer, exactly(self.process.stdout, length, most)
        except (OSError, EOFError, ValueError):
            raise self._death() from None
        finally:
            timer.cancel()

    def _death(self) -> ChildError:
        try:
            status = self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            return ChildError("answer")
        return ChildError("limits") if -status in LIMIT_SIGNALS else ChildError("death", status)

    def close(self) -> None:
        """End it at once."""
        self.process.kill()
        self.leave()
        self.process.wait()

    def leave(self) -> None:
        """Close our ends of the pipes."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):  # what was not sent any more
                if pipe is not None:
                    pipe.close()


class Kept:
    """One such child per process, started when first asked and kept; after a death, another.

    Args:
        module: of this package.
        arguments: of its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self.command = module, *arguments
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}  # by process: after a fork the parent's pipes are the parent's
        atexit.register(self.drop)

    def ask(self, facts: Mapping[str, Any], data: bytes, seconds: float, most: int) -> Said:
        """As `Child.ask`; whatever becomes of it, the next task has a child that waits for it."""
        with self._lock:
            try:
                return self.running().ask(facts, data, seconds, most)
            except BaseException:  # an interrupt, too: what is left in the pipe would be the next task's
                self.drop()
                raise

    def running(self) -> Child:
        """The child."""
        me = os.getpid()
        for owner, child in self._children.items():
            if owner != me:
                child.leave()
        if me in self._children and self._children[me].process.poll() is not None:
            self.drop()
        if me not in self._children:
            self._children[me] = Child(*self.command)
        return self._children[me]

    def drop(self) -> None:
        """End it, if there is one."""
        child = self._children.pop(os.getpid(), None)
        if child is not None:
            child.close()
