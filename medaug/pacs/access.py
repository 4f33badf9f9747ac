"""Who asks: credentials of the environment or a file, certificates of files; none of it is said or recorded."""

from __future__ import annotations

import os
import ssl
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medaug.errors import ArchiveError
from medaug.pacs.address import Address
from medaug.storage.plain_files import read_document

USER, PASSWORD, TOKEN = "MEDAUG_PACS_USER", "MEDAUG_PACS_PASSWORD", "MEDAUG_PACS_TOKEN"
KEYS = {"user": USER, "password": PASSWORD, "token": TOKEN}
MAX_FILE = 1 << 16  # bytes; bearer tokens have some thousand


@dataclass(frozen=True)
class Credentials:
    """What an archive is shown: a user with a password (basic), or a token (bearer); all empty for none."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.user or self.token)


@dataclass(frozen=True)
class Access:
    """How an archive is spoken to.

    Attributes:
        credentials: none, basic or bearer.
        authorities: certificates, PEM, that vouch for the archive; the system's where left out.
        certificate: the client's own, PEM.
        certificate_key: its private key, PEM; in the same file where left out.
        title: the calling AE title, for DIMSE.
        receive_port: where an archive may send to on C-MOVE; None asks with C-GET.
    """

    credentials: Credentials = field(default_factory=Credentials)
    authorities: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    title: str = "MEDAUG"
    receive_port: int | None = None


def credentials_of(file: Path | None, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Read credentials.

    Args:
        file: lines of ``user: …``, ``password: …`` or ``token: …``, readable by its owner alone; the environment's
            variables `KEYS` count where it is left out.
        environment: of the process.

    Raises:
        ArchiveError: ``archive-credentials``: the file can't be read, others may read it, or it holds something else.
    """
    found = {key: environment.get(name, "") for key, name in KEYS.items()} if file is None else _of_file(file)
    if bool(found["user"]) != bool(found["password"]) or (found["user"] and found["token"]):
        raise _refused("expected a user with a password, or a token, and not both")
    if any(ord(c) < 32 or ord(c) > 126 for value in found.values() for c in value):
        raise _refused("expected printable ASCII")
    return Credentials(**found)


def guard(address: Address, access: Access) -> None:
    """Refuse to say a password in clear words on a network.

    Raises:
        ArchiveError: ``archive-credentials``.
    """
    if access.credentials and not address.encrypted and not address.this_machine:
        raise _refused("they would cross the network in clear; use dicomweb:// or dimse+tls://")


def tls_context(access: Access) -> ssl.SSLContext:
    """A client's TLS context that checks the archive's certificate and name.

    Raises:
        ArchiveError: ``archive-certificate``: a file isn't there, or is none.
    """
    try:
        context = ssl.create_default_context(cafile=access.authorities)
        if access.certificate:
            context.load_cert_chain(access.certificate, access.certificate_key, password=lambda: "")
    except (OSError, ValueError) as error:  # SSLError is an OSError, too
        raise ArchiveError(
            f"certificate: a file can't be used ({type(error).__name__}); expected PEM, keys without a passphrase",
            code="archive-certificate",
        ) from None
    return context


def _of_file(file: Path) -> dict[str, str]:
    try:
        if sys.platform != "win32" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise _refused("others may read their file; make it yours alone: chmod 600 FILE")
        lines = read_document(file, MAX_FILE).splitlines()
    except (OSError, UnicodeDecodeError):
        raise _refused("their file can't be read") from None
    found = dict.fromkeys(KEYS, "")
    for line in filter(str.strip, lines):
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in KEYS:
            raise _refused("expected lines of user: …, password: … or token: …, found another one")
        found[key.strip()] = value.strip()
    return found


def _refused(why: str) -> ArchiveError:
    return ArchiveError(f"credentials: {why}", code="archive-credentials")
