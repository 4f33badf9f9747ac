"""Keeps the limits of one input, remembers what broke a rule, and ends the fuzzing when its time is spent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medaug.errors import place_of

Check = Callable[[bytes], None]

MOST_SECONDS, MOST_BYTES = 20.0, 1 << 30  # of one input


class TooLongError(BaseException):
    """No Exception: a reader turns those into refusals."""


class Watch:
    """What happened so far.

    Args:
        target: its name.
        check: raises where a rule is broken.
        found: folder for inputs that broke one.
        seconds: of processor time for all.
    """

    def __init__(self, target: str, check: Check, found: Path, seconds: float) -> None:
        self.target, self.check, self.found, self.seconds = target, check, found, seconds
        self.count, self.slowest, self.largest = 0, 0.0, 0
        self.broken: Counter[str] = Counter()

    def one(self, data: bytes) -> None:
        """Check one input under its limits."""
        self.count += 1
        before, started = _peak_from_here(), time.process_time()
        with _limited(MOST_SECONDS):
            try:
                self.check(data)
            except TooLongError as error:
                self._broke("too long", error, data)
            except Exception as error:  # noqa: BLE001 - that is what is sought
                self._broke(f"{type(error).__name__}: {str(error)[:80]}", error, data)
        self.slowest = max(self.slowest, time.process_time() - started)
        used = _memory("VmHWM") - before
        self.largest = max(self.largest, used)
        if used > MOST_BYTES:
            self._broke("too much memory", None, data)

    def _broke(self, what: str, error: BaseException | None, data: bytes) -> None:
        place = f"{what} at {place_of(error)}" if error else what
        key = hashlib.sha256(re.sub(r"\d+", "", place).encode()).hexdigest()[:12]
        if not self.broken[place]:
            self.found.mkdir(exist_ok=True, parents=True)
            (self.found / key).write_bytes(data)
            (self.found / f"{key}.txt").write_text(f"{place}\n")
        self.broken[place] += 1

    def said(self) -> str:
        """One line of JSON."""
        facts = {
            "target": self.target,
            "executions": self.count,
            "cpu_seconds": round(time.process_time(), 1),
            "slowest_seconds": round(self.slowest, 2),
            "largest_mib": self.largest >> 20,
            "broken": dict(self.broken),
        }
        return json.dumps(facts)


def rules(watch: Watch, data: bytes) -> None:
    """One input; the last one ends the process, which libFuzzer's own limit of wall time would not do well."""
    watch.one(data)
    if time.process_time() > watch.seconds:
        sys.stdout.write(f"{watch.said()}\n")
        sys.stdout.flush()
        os._exit(1 if watch.broken else 0)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """An exception in what takes more processor time, wherever Python gets to see it."""

    def late(_number: int, _frame: object) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _peak_from_here() -> int:
    """Bytes held now; the peak counts from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise AssertionError(name)
