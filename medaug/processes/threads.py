"""How many of the processor's threads a solve takes, which decides its last digits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def of_a_solve() -> int:
    """As many as torch would take, but one less where that were all cores and nobody asked for so many.

    Reading and writing go on beside a solve. Where it takes every core, its threads wait for the one that has to share
    its own: on two cores a run took 1.3 to 1.4 times as long. ``OMP_NUM_THREADS``, and what was set in torch, is kept.
    """
    import torch

    wanted = int(torch.get_num_threads())
    return wanted if "OMP_NUM_THREADS" in os.environ or wanted < cores() else max(1, wanted - 1)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def taken(count: int | None) -> Iterator[None]:
    """So many meanwhile, and afterwards as many as before; None leaves them alone."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
