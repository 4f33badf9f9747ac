"""Serve the page on this machine until somebody stops it; then lists and seal are written."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn

from medaug.review.planes import Planes
from medaug.review.server import application
from medaug.review.session import Session

HOST = "127.0.0.1"
TOKEN_BYTES = 24
PATIENCE = 2  # seconds for answers under way when it ends: a browser keeps its connections open for ever
LATER = 15.0  # seconds: the gallery comes first


class _Server(uvicorn.Server):
    """One that takes Ctrl-C for the end, not for an error."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listening(port: int) -> socket.socket:
    """A socket of this machine alone; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((HOST, port))
    made.listen()  # who reads the address may ask before the server looks
    return made


def serve(output: Path, source: Path | None, port: int, on_address: Callable[[str, int], None]) -> int:
    """Serve an OUTPUT's page; returns when a signal ended it, after lists and seal were written.

    Args:
        output: OUTPUT.
        source: what it was made from; None where that isn't at hand.
        port: 0 for one that is free.
        on_address: called with the page's address, and how many variants there are, before the first request.

    Returns:
        How many decisions were taken, whoever took them.

    Raises:
        OutputError: it is no OUTPUT, or the disk didn't take the lists.
        OSError: the port is taken.
    """
    session = Session.of(output)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with listening(port) as taken:
        chosen = taken.getsockname()[1]
        planes = Planes(session.store, source)
        app = application(session, planes, token, chosen)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=PATIENCE,
        )
        on_address(f"http://{HOST}:{chosen}/{token}/", len(session.entries))
        warm = threading.Timer(LATER, planes.warm)
        warm.daemon = True
        warm.start()
        try:
            _Server(config).run(sockets=[taken])
        finally:
            warm.cancel()
            session.finish()
    return session.taken
