"""The other end of C-MOVE: an archive sends to it what was asked for, and nobody anything else."""

from __future__ import annotations

from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt

from medaug.dicom.read.decode import PLUGINS
from medaug.dicom.read.parse import MAX_FILE
from medaug.errors import ArchiveError
from medaug.pacs.access import Access

REFUSED, TOO_LONG, TAKEN = 0x0124, 0xA700, 0x0000  # not authorised, out of resources, success (PS3.7 annex C)
_NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")


class Receiver:
    """A Storage SCP while it is needed.

    Args:
        access: with the title that it answers to, and its port.

    Raises:
        ArchiveError: ``archive-address``: the port is taken.
    """

    def __init__(self, access: Access) -> None:
        self.arrived: list[bytes] = []
        self._expected = ""
        ae = AE(ae_title=access.title)
        ae.require_called_aet = True
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), [*_NATIVE, *PLUGINS])
        try:
            self._server: Any = ae.start_server(
                ("", access.receive_port or 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
            )
        except OSError as error:
            raise ArchiveError(
                f"receive: the port can't be listened on ({error.strerror}); give another one", code="archive-address"
            ) from None

    def expect(self, instance: str) -> None:
        """Take this instance, and no other."""
        self.arrived.clear()
        self._expected = instance

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def _take(self, event: Any) -> int:
        if str(event.request.AffectedSOPInstanceUID) != self._expected or self.arrived:
            return REFUSED
        data = received(event)
        if len(data) > MAX_FILE:
            return TOO_LONG
        self.arrived.append(data)
        return TAKEN


def received(event: Any) -> bytes:
    """A C-STORE request's data set as a file of PS3.10, as it came."""
    return bytes(event.encoded_dataset())
