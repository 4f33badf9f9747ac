"""What a process does with memory that it has freed: keep it for the next image.

By default glibc gives large arrays back to the system as soon as they are freed, and takes them again for the next one;
the system zeroes each page anew. For a radiograph of 2500 × 2000 px that was a sixth of what a variant costs.
"""

from __future__ import annotations

import ctypes
import os

# malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD (the most that glibc takes), M_ARENA_MAX
OPTIONS = ((-1, 128 << 20), (-3, 32 << 20), (-8, 1))
OWN = ("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def keep_freed_memory() -> bool:
    """Have this process keep up to 128 MB of what it frees, in one heap for all its threads; call it before they start.

    Returns:
        Whether it does: not where the C library isn't glibc, nor where the environment sets one of `OWN`.
    """
    if any(name in os.environ for name in OWN):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS and musl; Windows
        return False
    return all(mallopt(number, value) == 1 for number, value in OPTIONS)
