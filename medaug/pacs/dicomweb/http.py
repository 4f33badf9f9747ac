"""A session for one archive: its certificates and credentials, no proxy, no redirect, bounded answers, coded errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NoReturn

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from medaug.dicom.read.parse import MAX_FILE
from medaug.errors import ArchiveError
from medaug.pacs.access import Access, Credentials, tls_context
from medaug.pacs.address import Address
from medaug.pacs.back_off import TransientError

TIMEOUT = (10.0, 120.0)  # s, to connect and between two pieces of an answer
MAX_ANSWER = MAX_FILE + (1 << 20)  # bytes: one instance and what is wrapped around it
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_WHO = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_FULL = {HTTPStatus.INSUFFICIENT_STORAGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}


class Bearer(AuthBase):
    """A token in the header, and nowhere else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Bounded(HTTPAdapter):
    """Answers end at `MAX_ANSWER`, whoever reads them; TLS is checked by our own context."""

    def __init__(self, context: Any) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """With our context."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, and read the answer within bounds."""
        stream, kwargs["stream"] = kwargs.get("stream", False), True
        answer = super().send(request, *args, **kwargs)
        answer.raw = _Counted(answer.raw)
        if not stream:
            _ = answer.content
        return answer


class _Counted:
    """A body that is read no further than was agreed."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, amount: int, decode_content: bool | None = None) -> Iterator[bytes]:
        """Blocks of the body.

        Raises:
            ArchiveError: ``archive-answer``: there are more than `MAX_ANSWER` bytes.
        """
        taken = 0
        for block in self._raw.stream(amount, decode_content=decode_content):
            taken += len(block)
            if taken > MAX_ANSWER:
                self._raw.close()
                raise ArchiveError(
                    f"the archive's answer is longer than {MAX_ANSWER} bytes; no image of that size is read",
                    code="archive-answer",
                )
            yield block


def session_for(address: Address, access: Access) -> requests.Session:
    """A session.

    Raises:
        ArchiveError: ``archive-certificate``: a certificate's file can't be used.
    """
    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc: what is said goes to the archive alone
    session.max_redirects = 0
    session.auth = _auth(access.credentials)
    if address.encrypted:
        session.mount("https://", _Bounded(tls_context(access)))
    session.mount("http://", _Bounded(None))
    return session


@contextmanager
def coded() -> Iterator[None]:
    """Turn what goes wrong on the way into an ArchiveError, without the address or anything that was said.

    Raises:
        ArchiveError: in place of it; `TransientError` where another attempt may succeed.
    """
    try:
        yield
    except requests.exceptions.SSLError:
        raise ArchiveError(
            "the archive's certificate, or its refusal of ours, ends the connection: expired, for another name, or of "
            "an authority that isn't known; see --authorities and --certificate",
            code="archive-certificate",
        ) from None
    except requests.exceptions.HTTPError as error:
        _raise_for(error.response.status_code if error.response is not None else 0)
    except requests.exceptions.TooManyRedirects:
        raise ArchiveError(
            "the archive's answer leads elsewhere; give the address that it leads to", code="archive-answer"
        ) from None
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError):
        raise TransientError(
            "the archive can't be reached, or the connection was lost; check the address and whether it runs",
            code="archive-unreachable",
        ) from None
    except (requests.exceptions.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"the archive's answer can't be read ({type(error).__name__}); check the service's path",
            code="archive-answer",
        ) from None


def checked(answer: requests.Response) -> requests.Response:
    """The answer, if it is none of an error.

    Raises:
        requests.exceptions.HTTPError: it is.
    """
    answer.raise_for_status()
    return answer


def _auth(credentials: Credentials) -> AuthBase | None:
    if credentials.token:
        return Bearer(credentials.token)
    return HTTPBasicAuth(credentials.user, credentials.password) if credentials.user else None


def _raise_for(status: int) -> NoReturn:
    if status in _WHO:
        raise ArchiveError(
            f"the archive refuses who asks (HTTP {status}); see --credentials and --certificate",
            code="archive-credentials",
        ) from None
    if status in _PASSING:
        raise TransientError(f"the archive is busy or away (HTTP {status})", code="archive-unreachable") from None
    if status in _FULL:
        raise ArchiveError(
            f"the archive has no room (HTTP {status}); make room there, then give the same command again: it continues",
            code="archive-full",
        ) from None
    raise ArchiveError(
        f"the archive refuses (HTTP {status}); check the service's path and what it allows", code="archive-refused"
    ) from None
