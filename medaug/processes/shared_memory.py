"""Memory that several processes share, without a file: it is gone with the last of them, however they end."""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path

AVAILABLE = sys.platform == "linux"  # memfd_create(2) and /proc/PID/fd


@dataclass(frozen=True)
class BlockAddress:
    """Where another process of the same user finds a block.

    Attributes:
        process: that made it, and holds it open.
        descriptor: there.
        name: drawn for this block: a process that took over the number of a dead one has none of that name.
        size: bytes.
    """

    process: int
    descriptor: int
    name: str
    size: int


class SharedBlock:
    """A block of memory made by this process; others `open_block` its ``address`` for as long as this value lives.

    Args:
        size: bytes, all 0.

    Raises:
        OSError: there is no room.
    """

    def __init__(self, size: int) -> None:
        name = f"medaug-{secrets.token_hex(8)}"
        descriptor = os.memfd_create(name)
        weakref.finalize(self, os.close, descriptor)
        os.ftruncate(descriptor, max(1, size))
        self.address = BlockAddress(os.getpid(), descriptor, name, max(1, size))


def open_block(address: BlockAddress) -> mmap.mmap:
    """The memory of a block; what is written to it is seen by all.

    Raises:
        OSError: the process that made it is dead, or let go of it.
    """
    descriptor = os.open(f"/proc/{address.process}/fd/{address.descriptor}", os.O_RDWR | os.O_CLOEXEC)
    try:
        if address.name not in Path(f"/proc/self/fd/{descriptor}").readlink().name:
            raise FileNotFoundError(address.name)
        return mmap.mmap(descriptor, address.size)
    finally:
        os.close(descriptor)
