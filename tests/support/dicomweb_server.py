"""A small DICOMweb service on loopback, in this process, that can be made to misbehave as archives do."""

from __future__ import annotations

import io
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pydicom
from pydicom.dataset import Dataset

from medaug.pacs.dicomweb.multipart import only_part

LEVELS = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
Change = Callable[[Dataset], Dataset | None]


@dataclass
class Archive:
    """What it holds, and how it behaves.

    Attributes:
        held: SOP Instance UID → instance.
        change: what becomes of an instance that is stored; None where nothing is kept, though 200 is answered.
        room: instances that it takes before it says 507.
        page: matches that it gives at most; it knows no offset where ``pages`` is False.
        busy: requests that are answered 503 before the others.
        authorization: the header that it wants.
        asked: methods, paths and queries, in order.
    """

    held: dict[str, Dataset] = field(default_factory=dict)
    change: Change = lambda ds: ds
    room: int = 10**9
    page: int = 10**9
    pages: bool = True
    busy: int = 0
    authorization: str = ""
    asked: list[str] = field(default_factory=list)
    port: int = 0
    encrypted: bool = False

    @property
    def address(self) -> str:
        return f"dicomweb{'' if self.encrypted else '+http'}://127.0.0.1:{self.port}/web"

    def keep(self, ds: Dataset) -> None:
        kept = self.change(ds)
        if kept is not None:
            self.held[str(kept.SOPInstanceUID)] = kept


@contextmanager
def served(archive: Archive, context: ssl.SSLContext | None = None) -> Iterator[Archive]:
    """Serve it on a port of its own while the block lasts."""

    class Handler(_Handler):
        of = archive

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses our certificate
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        archive.port, archive.encrypted = server.server_address[1], context is not None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield archive
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: Archive
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self._refused():
            path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
            parts = path.removeprefix("/web/").split("/")
            above = dict(zip((LEVELS[name] for name in parts[::2]), parts[1::2], strict=False))
            found = [ds for ds in self.of.held.values() if all(str(ds[k].value) == v for k, v in above.items())]
            if len(parts) % 2:
                self._search(LEVELS[parts[-1]], found, query)
            else:
                self._instance(found)

    def do_POST(self) -> None:
        body = self._body()
        if self._refused():
            return
        if len(self.of.held) >= self.of.room:
            self._answer(507, b"")
            return
        ds = pydicom.dcmread(io.BytesIO(only_part(self.headers["Content-Type"], body)))
        self.of.keep(ds)
        self._answer(200, b"{}", "application/dicom+json")

    def _refused(self) -> bool:
        self.of.asked.append(f"{self.command} {self.path}")
        if self.of.busy > 0:
            self.of.busy -= 1
            self._answer(503, b"")
        elif self.of.authorization and self.headers.get("Authorization") != self.of.authorization:
            self._answer(401, b"")
        else:
            return False
        return True

    def _search(self, key: str, found: list[Dataset], query: dict[str, str]) -> None:
        offset, limit = int(query.pop("offset", 0)), int(query.pop("limit", 10**9))
        query.pop("includefield", None)
        matches: dict[str, Dataset] = {}
        for ds in found:
            if all(_fits(ds, keyword, value) for keyword, value in query.items()):
                matches.setdefault(str(ds[key].value), ds)
        start = offset if self.of.pages else 0
        page = list(matches.values())[start : start + min(limit, self.of.page)]
        body = json.dumps([_brief(ds).to_json_dict() for ds in page]).encode()
        self._answer(200, body, "application/dicom+json")

    def _instance(self, found: list[Dataset]) -> None:
        if not found:
            self._answer(404, b"")
            return
        buffer = io.BytesIO()
        found[0].save_as(buffer, enforce_file_format=True)
        head = b"--b0\r\nContent-Type: application/dicom\r\n\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=b0'
        self._answer(200, head + buffer.getvalue() + b"\r\n--b0--\r\n", kind)

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


def _fits(ds: Dataset, keyword: str, value: str) -> bool:
    held = str(ds.get("Modality" if keyword == "ModalitiesInStudy" else keyword, ""))
    first, dash, last = value.partition("-")
    return (first or "0") <= held <= (last or "9") if dash and keyword == "StudyDate" else held == value


def _brief(ds: Dataset) -> Dataset:
    made = Dataset()
    for keyword in (*LEVELS.values(), "SOPClassUID", "Modality", "BodyPartExamined", "SeriesDescription", "StudyDate"):
        if keyword in ds:
            made[keyword] = ds[keyword]
    return made
