"""Warnings off, for all threads at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Quiet:
    """Warnings off while anybody wants it: Python keeps one list of filters for all threads."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before: warnings.catch_warnings[None] | None = None

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._before is not None:
                self._before.__exit__(None, None, None)


_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what a library warns about while it reads: sources are read tolerantly, and warnings quote values."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()
