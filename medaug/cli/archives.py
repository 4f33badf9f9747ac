"""Options that `medaug fetch` and `medaug send` share: how an archive is spoken to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medaug.cli.console import say
from medaug.errors import RunError

if TYPE_CHECKING:
    from medaug.pacs.access import Access
    from medaug.pacs.address import Address

INSTALL = "expected dicomweb-client, pynetdicom and dicom-anonymizer; install them: pip install 'medaug[pacs]'"
ArchiveAddress = Annotated[
    str,
    typer.Argument(
        metavar="ARCHIVE",
        help="dicomweb://HOST[:PORT]/PATH (TLS), dicomweb+http://…, dimse://AET@HOST:PORT or dimse+tls://…",
        show_default=False,
    ),
]
CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        help="File, yours alone, with lines user: …, password: … or token: …. [default: MEDAUG_PACS_USER, "
        "MEDAUG_PACS_PASSWORD, MEDAUG_PACS_TOKEN in the environment]",
        show_default=False,
    ),
]
Authorities = Annotated[
    Path | None, typer.Option(help="Certificates (PEM) that vouch for the archive. [default: the system's]")
]
Certificate = Annotated[Path | None, typer.Option(help="Our own certificate (PEM), where the archive asks for one.")]
CertificateKey = Annotated[
    Path | None, typer.Option(help="Its private key (PEM), where it isn't in the same file; without a passphrase.")
]
Title = Annotated[str, typer.Option(help="Our AE title, for DIMSE.")]
Receive = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port to receive on, for archives that know C-MOVE only; C-GET otherwise."),
]


def access_of(
    credentials: CredentialsFile = None,
    authorities: Authorities = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    title: Title = "MEDAUG",
    receive: Receive = None,
) -> Access:
    """The options, in one value."""
    from medaug.pacs.access import Access, credentials_of

    shown = credentials_of(credentials)
    return Access(shown, authorities, certificate, certificate_key, title, receive)


def speaking(command: Callable[..., None]) -> Callable[..., None]:
    """Turn ``command(access, …)`` into a command that takes the shared options in place of the access."""
    shared = signature(access_of, eval_str=True, locals={"Access": Any}).parameters
    own = list(signature(command, eval_str=True, locals={"Access": Any}).parameters.values())[1:]

    def called(**given: Any) -> None:
        command(access_of(**{name: given.pop(name) for name in shared}), **given)

    parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    called.__doc__ = command.__doc__
    called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return called


@contextmanager
def installed(command: str) -> Iterator[None]:
    """Say what to install where the extra is missing.

    Raises:
        RunError: in place of an ImportError.
    """
    try:
        yield
    except ImportError:
        raise RunError(f"{command}: {INSTALL}") from None


def waiting(seconds: float) -> None:
    """Wait, and say so: an archive that is restarted takes a minute, and a mistyped address never answers."""
    say(f"the archive isn't there, or not yet; asking again in {seconds:.0f} s…", err=True)
    time.sleep(seconds)


def address(text: str) -> Address:
    """The archive's address."""
    from medaug.pacs.address import address_of

    return address_of(text)
