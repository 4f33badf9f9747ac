"""Where an archive is: one text on the command line, without a word of who asks."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from medaug.errors import ArchiveError

Kind = Literal["dicomweb", "dimse"]
SCHEMES: dict[str, tuple[Kind, bool]] = {  # scheme → kind, and whether the transport is encrypted
    "dicomweb": ("dicomweb", True),
    "dicomweb+http": ("dicomweb", False),
    "dimse": ("dimse", False),
    "dimse+tls": ("dimse", True),
}
FORMS = "dicomweb://HOST[:PORT]/PATH, dicomweb+http://…, dimse://AET@HOST:PORT or dimse+tls://…"
DICOM_PORT, DICOM_TLS_PORT = 11112, 2762  # PS3.8 9.1.1, PS3.15 B.1
_TITLE = re.compile(r"[!-\[\]-~][ -\[\]-~]{0,15}")  # PS3.5 6.2: AE, without a backslash
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:.]+")


@dataclass(frozen=True)
class Address:
    """An archive's address.

    Attributes:
        kind: its protocol.
        host: name or number, in lower case.
        port: of it.
        encrypted: whether the transport is TLS.
        path: of the DICOMweb service, beginning with a slash or empty; no slash at its end.
        title: of the archive's application entity, for DIMSE.
    """

    kind: Kind
    host: str
    port: int
    encrypted: bool
    path: str = ""
    title: str = ""

    @property
    def url(self) -> str:
        """The DICOMweb service's base URL."""
        return f"{'https' if self.encrypted else 'http'}://{self.host}:{self.port}{self.path}"

    @property
    def this_machine(self) -> bool:
        """Whether what is sent there stays on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def address_of(text: str) -> Address:
    """Take an address apart.

    Args:
        text: as in `FORMS`.

    Raises:
        ArchiveError: ``archive-address``: none of these, or a password stands in it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _malformed("found something else") from None
    if parts.scheme not in SCHEMES:
        raise _malformed("found another scheme or none")
    kind, encrypted = SCHEMES[parts.scheme]
    host = (parts.hostname or "").lower()
    number = ":" in host  # of IPv6, which the DICOMweb client can't take apart
    if not _HOST.fullmatch(host) or parts.query or parts.fragment or (number and kind == "dicomweb"):
        raise _malformed("found no usable host, or a query")
    if parts.password is not None or (kind == "dicomweb" and parts.username is not None):
        raise _malformed("found a user or a password; give them in the environment or a file, see --credentials")
    if kind == "dicomweb":
        path = parts.path.rstrip("/")
        return Address(kind, host, port or (443 if encrypted else 80), encrypted, path)
    return _dimse(parts, host, encrypted=encrypted)


def _dimse(parts: SplitResult, host: str, *, encrypted: bool) -> Address:
    title = (parts.username or "").strip()
    if not _TITLE.fullmatch(title) or parts.path.strip("/"):
        raise _malformed("found no AE title of 1 to 16 characters before the @, or a path behind the port")
    return Address("dimse", host, parts.port or (DICOM_TLS_PORT if encrypted else DICOM_PORT), encrypted, title=title)


def _malformed(found: str) -> ArchiveError:
    return ArchiveError(f"archive: expected {FORMS}, {found}", code="archive-address")
