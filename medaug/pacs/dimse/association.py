"""Associations with one archive, by pynetdicom; what refuses or breaks them becomes a sentence."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, UserIdentityNegotiation
from pynetdicom.presentation import PresentationContext

from medaug.errors import ArchiveError
from medaug.pacs.access import Access, Credentials, guard, tls_context
from medaug.pacs.address import Address
from medaug.pacs.back_off import TransientError

CONNECT, ANSWER = 10.0, 120.0  # s
Stored = Callable[[Any], int]  # takes a C-STORE request's event, gives its status
_USER, _TOKEN = 2, 5  # of User Identity Negotiation: username and passcode, JSON Web Token (PS3.7 D.3.3.7)


class Associations:
    """One association for each service; another is negotiated where it is to carry something else.

    Args:
        address: of the archive.
        access: who asks.

    Raises:
        ArchiveError: ``archive-certificate`` or ``archive-credentials``.
    """

    def __init__(self, address: Address, access: Access) -> None:
        guard(address, access)
        self._address, self._access = address, access
        self._context = tls_context(access) if address.encrypted else None
        self._ae = AE(ae_title=access.title)
        self._ae.acse_timeout = self._ae.connection_timeout = CONNECT
        self._ae.dimse_timeout = self._ae.network_timeout = ANSWER
        self._open: dict[str, tuple[object, Association]] = {}

    def get(
        self,
        service: str,
        contexts: Sequence[PresentationContext],
        stored: Stored | None = None,
        roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    ) -> Association:
        """An association that is established, the one that is open where the same was negotiated.

        Args:
            service: what it is for.
            contexts: that are proposed.
            stored: takes what the archive sends on it.
            roles: in which we are to receive.

        Raises:
            ArchiveError: ``archive-association``, ``archive-certificate``.
            TransientError: ``archive-unreachable``.
        """
        proposed = [(str(one.abstract_syntax), tuple(map(str, one.transfer_syntax))) for one in contexts]
        before = self._open.pop(service, None)
        if before and before[0] == proposed and before[1].is_established:
            self._open[service] = before
            return before[1]
        if before:
            _release(before[1])
        handlers: Any = [(evt.EVT_C_STORE, stored)] if stored else []
        more: list[Any] = [*roles, *_identity(self._access.credentials)]
        self._shake_hands()
        found = self._ae.associate(
            self._address.host,
            self._address.port,
            contexts=list(contexts),
            ae_title=self._address.title,
            ext_neg=more,
            evt_handlers=handlers,
            tls_args=(self._context, self._address.host) if self._context else None,
        )
        if not found.is_established:
            raise _refused(found)
        self._open[service] = proposed, found
        return found

    def close(self) -> None:
        """Release what is open."""
        while self._open:
            _release(self._open.popitem()[1][1])

    def _shake_hands(self) -> None:
        """Reach the archive once without DICOM: an association that fails doesn't say of what."""
        place = self._address.host, self._address.port
        try:
            with socket.create_connection(place, CONNECT) as plain:
                if self._context:
                    self._context.wrap_socket(plain, server_hostname=self._address.host).close()
        except ssl.SSLError:
            raise ArchiveError(
                "the archive's certificate, or its refusal of ours, ends the connection: expired, for another name, or "
                "of an authority that isn't known; see --authorities and --certificate",
                code="archive-certificate",
            ) from None
        except OSError:
            raise lost() from None


def _release(association: Association) -> None:
    if association.is_established:
        association.release()


def lost() -> TransientError:
    """The archive isn't there, or went away."""
    return TransientError(
        "the archive can't be reached, or the connection was lost; check the address and whether it runs",
        code="archive-unreachable",
    )


def status_of(answer: Dataset) -> int:
    """The status of a response.

    Raises:
        TransientError: there was no response.
    """
    if "Status" not in answer:
        raise lost()
    return int(answer.Status)


def _refused(found: Association) -> ArchiveError:
    if not found.is_rejected:
        return lost()
    primitive: Any = found.acceptor.primitive
    why = str(primitive.reason_str) if primitive else "no reason given"
    if primitive and primitive.result == 2:  # transient: PS3.8 9.3.4
        return TransientError(f"the archive is busy ({why})", code="archive-unreachable")
    return ArchiveError(
        f"the archive rejects the association ({why}); check its AE title before the @, and ours (--title), which it "
        "may have to know",
        code="archive-association",
    )


def _identity(credentials: Credentials) -> Sequence[UserIdentityNegotiation]:
    if not credentials:
        return ()
    item = UserIdentityNegotiation()
    item.user_identity_type = _TOKEN if credentials.token else _USER
    item.primary_field = (credentials.token or credentials.user).encode()
    if credentials.user:
        item.secondary_field = credentials.password.encode()
    item.positive_response_requested = False
    return (item,)
