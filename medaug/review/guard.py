"""Who may ask: only the page itself, on this machine, by an address that holds the token."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import compare_digest

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Guard:
    """Refuses what no page of this server sends, and says to the browser what its pages may do.

    A host that isn't this machine's (a name that somebody pointed here), an origin that isn't the page's own, and an
    address without the token get nothing; what changes anything must name its origin. Cookies are not used.

    Attributes:
        app: what is guarded.
        token: the first part of every path.
        port: that it is served on.
    """

    app: ASGIApp
    token: str
    port: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = self.refusal(scope["method"], scope["path"], Headers(scope=scope))
            await (refusal or self.app)(scope, receive, _with_headers(send))
        # nothing here speaks over web sockets: the connection is not taken

    def refusal(self, method: str, path: str, headers: Headers) -> PlainTextResponse | None:
        """What a request is told that isn't the page's; None for the page's own."""
        hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in hosts:
            return PlainTextResponse("this page is for this machine", 421)
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("another origin", 403)
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return PlainTextResponse("another site", 403)
        if not compare_digest(path.split("/")[1].encode() if "/" in path else b"", self.token.encode()):
            return PlainTextResponse("not found", 404)
        if method not in {"GET", "HEAD"} and origin is None:
            return PlainTextResponse("what changes anything names its origin", 403)
        return None


def _with_headers(send: Send) -> Send:
    async def more(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return more
