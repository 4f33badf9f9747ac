"""Blocks of memory that another process sees, and that nobody can take for another's."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from medaug.processes.shared_memory import AVAILABLE, BlockAddress, SharedBlock, open_block

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="needs Linux")
OTHER = """
import sys
from medaug.processes.shared_memory import BlockAddress, SharedBlock, open_block
address = BlockAddress(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
memory = open_block(address)
memory[1] = memory[0] + 1
mine = SharedBlock(8)
print(mine.address.process, mine.address.descriptor, mine.address.name, mine.address.size)
"""


def test_what_another_process_writes_is_seen_and_its_own_goes_with_it() -> None:
    block = SharedBlock(5000)
    memory = open_block(block.address)
    memory[0] = 41
    words = [str(value) for value in vars(block.address).values()]
    said = subprocess.run([sys.executable, "-c", OTHER, *words], capture_output=True, check=True, text=True).stdout
    assert memory[1] == 42
    process, descriptor, name, size = said.split()
    with pytest.raises(FileNotFoundError):
        open_block(BlockAddress(int(process), int(descriptor), name, int(size)))


def test_a_descriptor_that_is_something_else_by_now_is_not_opened() -> None:
    block = SharedBlock(8)
    with pytest.raises(FileNotFoundError):
        open_block(replace(block.address, name="medaug-0000000000000000"))
    address = block.address
    del block
    with pytest.raises(FileNotFoundError):
        open_block(address)
