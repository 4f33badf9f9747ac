"""Asking again after a while, each time a longer one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from medaug.errors import ArchiveError

T = TypeVar("T")
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # s; an archive that is restarted is back within a minute


class Patience(Protocol):
    """`patiently`, with its waits bound."""

    def __call__(self, ask: Callable[[], T], /) -> T:
        """Ask."""


class TransientError(ArchiveError):
    """Something that may pass: no answer, a lost connection, an archive that is busy."""


def patiently(ask: Callable[[], T], waits: Sequence[float] = WAITS, sleep: Callable[[float], object] = time.sleep) -> T:
    """Ask, and ask again after each wait while what is wrong may pass.

    Args:
        ask: the question; asking it twice does no harm.
        waits: seconds.
        sleep: waits.

    Raises:
        ArchiveError: what was wrong the last time.
    """
    for wait in waits:
        try:
            return ask()
        except TransientError:
            sleep(wait)
    return ask()
