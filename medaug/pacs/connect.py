"""An archive for an address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

from medaug.pacs.access import Access
from medaug.pacs.address import Address
from medaug.pacs.archive import Archive
from medaug.pacs.dicomweb.archive import DicomWeb
from medaug.pacs.dimse.archive import Dimse


@contextmanager
def connected(address: Address, access: Access) -> Iterator[Archive]:
    """The archive, whose connections end with the block.

    Raises:
        ArchiveError: a certificate, a password or a port can't be used.
    """
    archive = _archive(address, access)
    try:
        yield archive
    finally:
        archive.close()


def _archive(address: Address, access: Access) -> Archive:
    match address.kind:
        case "dicomweb":
            return DicomWeb(address, access)
        case "dimse":
            return Dimse(address, access)
        case _:
            assert_never(address.kind)
