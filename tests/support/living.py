"""Processes that are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def is_there(pid: int) -> bool:
    """Whether a process lives; one that has ended may wait for ever for somebody to ask how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(true: Callable[[], object], seconds: float = 240) -> None:
    """Until something is true; fails when it takes that long."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
