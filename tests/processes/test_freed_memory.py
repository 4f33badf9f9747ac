"""A process keeps what it frees, where the C library is glibc."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from medaug.processes.freed_memory import OWN, keep_freed_memory

FAULTS = """
import resource, sys
import numpy as np
from medaug.processes.freed_memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False

def image():  # 20 MB, and 60 MB that are freed with it
    return [np.ones(5_000_000, dtype=np.float32) for _ in range(4)]

image()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    image()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


def faults(how: str) -> tuple[str, int]:
    """What the process says of keeping, and the pages that it asked for anew."""
    kept, count = subprocess.check_output([sys.executable, "-c", FAULTS, how], text=True).split()
    return kept, int(count)


@glibc
def test_the_next_image_takes_the_memory_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN:
        monkeypatch.delenv(name, raising=False)
    (kept, few), (_, many) = faults("keep"), faults("leave")
    assert kept == "True"
    assert few < many / 10


@pytest.mark.parametrize("name", OWN)
def test_what_the_user_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory()
