"""An archive by DIMSE: found by C-FIND, retrieved by C-GET or C-MOVE, stored by C-STORE (PS3.4 annexes B and C)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made when it is imported
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from medaug.dicom.read.decode import PLUGINS
from medaug.errors import ArchiveError
from medaug.pacs.access import Access
from medaug.pacs.address import Address
from medaug.pacs.answers import failure, instance_found, series_fitting, uid_of
from medaug.pacs.archive import InstanceFound, Query, SeriesFound
from medaug.pacs.dimse.association import Associations, lost, status_of
from medaug.pacs.dimse.receiver import Receiver, received
from medaug.processes.quiet import quiet

T = TypeVar("T")
FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
SYNTAXES = (*NATIVE, *PLUGINS)  # what is decoded here, so that an archive need not encode anew
PENDING, WARNINGS = (0xFF00, 0xFF01), (0xB000, 0xB006, 0xB007)
_UNKNOWN_DESTINATION = 0xA801  # PS3.4 C.4.2.1.5


class Dimse:
    """A node that answers queries and sends what is asked for.

    Args:
        address: of it.
        access: who asks.

    Raises:
        ArchiveError: ``archive-certificate`` or ``archive-credentials``, or a port to receive on that is taken.
    """

    def __init__(self, address: Address, access: Access) -> None:
        self._associations = Associations(address, access)
        self._title = access.title
        self._receiver = Receiver(access) if access.receive_port is not None else None
        self._arrived: list[bytes] = []

    def find_series(self, query: Query) -> Iterator[SeriesFound]:
        """As `Archive`."""
        for study in self._studies(query):
            for modality in query.modalities or ("",):
                wanted = {"Modality": modality, "BodyPartExamined": query.body_part, "SeriesInstanceUID": ""}
                wanted |= {"SeriesDescription": ""} if query.description else {}  # asked for, not a key
                fitting = partial(series_fitting, study, query.description)
                yield from filter(None, self._find("SERIES", {"StudyInstanceUID": study, **wanted}, fitting))

    def find_instances(self, series: SeriesFound) -> Iterator[InstanceFound]:
        """As `Archive`."""
        above = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.series}
        wanted = {**above, "SOPInstanceUID": "", "SOPClassUID": ""}
        yield from self._find("IMAGE", wanted, partial(instance_found, series))

    def retrieve(self, found: InstanceFound) -> bytes:
        """As `Archive`."""
        wanted = _identifier(
            "IMAGE",
            {
                "StudyInstanceUID": found.study,
                "SeriesInstanceUID": found.series,
                "SOPInstanceUID": found.instance,
            },
        )
        if not found.sop_class:
            raise ArchiveError("the archive's answer names no SOP Class; it can't be asked for", code="archive-answer")
        with quiet():
            return self._moved(wanted) if self._receiver else self._got(wanted, found.sop_class)

    def store(self, dataset: Dataset) -> None:
        """As `Archive`."""
        syntax, sop_class = str(dataset.file_meta.TransferSyntaxUID), str(dataset.SOPClassUID)
        native = syntax in NATIVE
        contexts = [build_context(sop_class, list(NATIVE) if native else [syntax])]
        association = self._associations.get("store", contexts)
        with quiet():
            try:
                answer = association.send_c_store(dataset)
            except ValueError:
                raise ArchiveError(
                    "the archive takes no instances of this SOP Class, or not in this transfer syntax; ask those who "
                    "run it",
                    code="archive-refused",
                ) from None
        status = status_of(answer)
        if status and status not in WARNINGS:
            raise failure(status)

    def close(self) -> None:
        """As `Archive`."""
        self._associations.close()
        if self._receiver:
            self._receiver.close()

    def _studies(self, query: Query) -> Iterator[str]:
        for study in query.studies or ("",):
            for modality in query.modalities or ("",):
                wanted = {"StudyInstanceUID": study, "StudyDate": query.dates, "ModalitiesInStudy": modality}
                yield from self._find("STUDY", wanted, partial(uid_of, keyword="StudyInstanceUID"))

    def _find(self, level: str, wanted: dict[str, str], make: Callable[[Dataset], T]) -> list[T]:
        """What is made of the matches, all of them: an association has one question at a time, and no pages."""
        association = self._associations.get("find", [build_context(FIND)])
        matches: list[T] = []
        with quiet():
            for answer, identifier in association.send_c_find(_identifier(level, wanted), FIND):
                status = status_of(answer)
                if status in PENDING and identifier is not None:
                    matches.append(make(identifier))
                elif status:
                    raise ArchiveError(f"the archive refuses the query (status {status:04X})", code="archive-refused")
        return matches

    def _got(self, wanted: Dataset, sop_class: str) -> bytes:
        contexts = [
            build_context(GET),
            *(build_context(sop_class, syntax) for syntax in SYNTAXES),
        ]  # each as it is stored
        roles = [build_role(sop_class, scp_role=True)]
        association = self._associations.get("get", contexts, self._take, roles)
        self._arrived.clear()
        _followed(association.send_c_get(wanted, GET))
        return _only(self._arrived)

    def _take(self, event: Any) -> int:
        self._arrived.append(received(event))
        return 0x0000

    def _moved(self, wanted: Dataset) -> bytes:
        assert self._receiver is not None
        association = self._associations.get("move", [build_context(MOVE)])
        self._receiver.expect(str(wanted.SOPInstanceUID))
        _followed(association.send_c_move(wanted, self._title, MOVE))
        return _only(self._receiver.arrived)


def _followed(answers: Iterator[tuple[Dataset, Dataset | None]]) -> None:
    """Follow a retrieval to its end.

    Raises:
        ArchiveError: ``archive-refused``.
        TransientError: ``archive-unreachable``.
    """
    status = -1
    for answer, _ in answers:
        status = status_of(answer)
    if status == _UNKNOWN_DESTINATION:
        raise ArchiveError(
            "the archive knows no address for our AE title; have it entered there, or leave --receive out (C-GET)",
            code="archive-association",
        )
    if status not in (0x0000, *WARNINGS):
        raise ArchiveError(f"the archive refuses the retrieval (status {status:04X})", code="archive-refused")


def _only(arrived: list[bytes]) -> bytes:
    if len(arrived) != 1:
        raise lost()
    return arrived.pop()


def _identifier(level: str, values: dict[str, str]) -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made
