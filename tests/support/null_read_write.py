"""`medaug.children.read_write`, as a process, with units that don't exist, on a disk shared with others."""

from __future__ import annotations

from medaug.children import read_write
from tests.support.null_processes import null_stages
from tests.support.shared_disk import SharedDisk

if __name__ == "__main__":
    with null_stages(), SharedDisk.of_environment().watched():
        read_write._main()
