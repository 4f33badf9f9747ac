"""A small DICOM node on loopback, in this process: it answers queries, sends what is asked for, and stores."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, StoragePresentationContexts, build_context, evt

from medaug.pacs.access import Access
from medaug.pacs.dimse.archive import FIND, GET, MOVE
from tests.support.dicomweb_server import Archive

KEYS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class Node:
    """Answers over what an archive holds.

    Args:
        archive: holds it.
        known: the one node that it can send to.
    """

    def __init__(self, archive: Archive, known: Access) -> None:
        self.archive, self.known = archive, known

    def find(self, event: Any) -> Iterator[tuple[int, Dataset]]:
        key = KEYS[event.identifier.QueryRetrieveLevel]
        for ds in {str(ds[key].value): ds for ds in self._found(event.identifier)}.values():
            made = Dataset()
            made.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
            for keyword in (*KEYS.values(), "SOPClassUID", "Modality"):
                made[keyword] = ds[keyword]
            yield 0xFF00, made

    def get(self, event: Any) -> Iterator[Any]:
        matches = self._found(event.identifier)
        yield len(matches)
        yield from ((0xFF00, ds) for ds in matches)

    def move(self, event: Any) -> Iterator[Any]:
        if event.move_destination != self.known.title:
            yield None, None
            return
        matches = self._found(event.identifier)
        yield "127.0.0.1", self.known.receive_port, {"contexts": [build_context(ds.SOPClassUID) for ds in matches]}
        yield len(matches)
        yield from ((0xFF00, ds) for ds in matches)

    def store(self, event: Any) -> int:
        if len(self.archive.held) >= self.archive.room:
            return 0xA700
        ds = event.dataset
        ds.file_meta = event.file_meta
        self.archive.keep(ds)
        return 0

    def _found(self, identifier: Dataset) -> list[Dataset]:
        wanted = {k: str(identifier.get(k, "")) for k in (*KEYS.values(), "Modality", "StudyDate")}
        wanted["Modality"] = wanted["Modality"] or str(identifier.get("ModalitiesInStudy", ""))
        return [ds for ds in self.archive.held.values() if all(not v or str(ds.get(k)) == v for k, v in wanted.items())]


@contextmanager
def listening(archive: Archive, known: Access, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A node of the title NODE, which knows one other node; its address."""
    node, ae = Node(archive, known), AE("NODE")
    ae.require_called_aet = True
    for one in StoragePresentationContexts:
        ae.add_supported_context(one.abstract_syntax, one.transfer_syntax, scu_role=True, scp_role=True)
    for model in (FIND, GET, MOVE):
        ae.add_supported_context(model)
    answers = {evt.EVT_C_FIND: node.find, evt.EVT_C_GET: node.get, evt.EVT_C_MOVE: node.move}
    handlers: Any = [*answers.items(), (evt.EVT_C_STORE, node.store)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=context)
    try:
        yield f"dimse{'+tls' if context else ''}://NODE@127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
