"""An archive by DICOMweb: found by QIDO-RS, retrieved by WADO-RS, stored by STOW-RS (PS3.18 chapter 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset

from medaug.pacs.access import Access, guard
from medaug.pacs.address import Address
from medaug.pacs.answers import failure, instance_found, series_fitting, uid_of
from medaug.pacs.archive import InstanceFound, Query, SeriesFound
from medaug.pacs.dicomweb.http import TIMEOUT, checked, coded, session_for
from medaug.pacs.dicomweb.multipart import only_part
from medaug.processes.quiet import quiet

PAGE = 200  # matches that are asked for at once; an archive may give fewer
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'  # as it is stored: nothing is encoded anew
_SERIES_FIELDS = ["Modality", "BodyPartExamined"]
Search = Callable[[int, int], list[dict[str, Any]]]  # limit, offset


class DicomWeb:
    """A DICOMweb service.

    Args:
        address: of it.
        access: who asks.
        page: matches that are asked for at once.

    Raises:
        ArchiveError: ``archive-certificate`` or ``archive-credentials``.
    """

    def __init__(self, address: Address, access: Access, page: int = PAGE) -> None:
        guard(address, access)
        self._url, self._page = address.url, page
        self._session = session_for(address, access)
        self._client = DICOMwebClient(self._url, session=self._session, timeout=TIMEOUT)
        self._client.set_http_retry_params(retry=False)  # `back_off` does, for both protocols alike

    def find_series(self, query: Query) -> Iterator[SeriesFound]:
        """As `Archive`."""
        for study in self._studies(query):
            for modality in query.modalities or ("",):
                filters = {"Modality": modality, "BodyPartExamined": query.body_part}
                yield from self._series(study, filters, query.description)

    def find_instances(self, series: SeriesFound) -> Iterator[InstanceFound]:
        """As `Archive`."""

        def search(limit: int, offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_instances(series.study, series.series, limit=limit, offset=offset)

        for ds in self._pages(search, "SOPInstanceUID"):
            yield instance_found(series, ds)

    def retrieve(self, found: InstanceFound) -> bytes:
        """As `Archive`."""
        url = f"{self._url}/studies/{found.study}/series/{found.series}/instances/{found.instance}"
        with coded(), quiet():
            answer = checked(self._session.get(url, headers={"Accept": ACCEPT}, timeout=TIMEOUT))
            return only_part(answer.headers["Content-Type"], answer.content)

    def store(self, dataset: Dataset) -> None:
        """As `Archive`."""
        with coded(), quiet():
            said = self._client.store_instances([dataset])
        refuse_failed(said)

    def close(self) -> None:
        """As `Archive`."""
        self._session.close()

    def _studies(self, query: Query) -> Iterator[str]:
        if query.studies and not query.dates:
            yield from query.studies
            return
        for study in query.studies or ("",):
            for modality in query.modalities or ("",):
                wanted = {"StudyInstanceUID": study, "StudyDate": query.dates, "ModalitiesInStudy": modality}
                yield from self._found_studies(_stated(wanted))

    def _found_studies(self, filters: dict[str, str]) -> Iterator[str]:
        def search(limit: int, offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_studies(limit=limit, offset=offset, search_filters=filters)

        for ds in self._pages(search, "StudyInstanceUID"):
            yield uid_of(ds, "StudyInstanceUID")

    def _series(self, study: str, filters: dict[str, str], description: str) -> Iterator[SeriesFound]:
        fields = [*_SERIES_FIELDS, *(["SeriesDescription"] if description else [])]

        def search(limit: int, offset: int) -> list[dict[str, Any]]:
            return self._client.search_for_series(
                study, limit=limit, offset=offset, search_filters=_stated(filters), fields=fields
            )

        for ds in self._pages(search, "SeriesInstanceUID"):
            found = series_fitting(study, description, ds)
            if found:
                yield found

    def _pages(self, search: Search, key: str) -> Iterator[Dataset]:
        """Page by page, until one is empty or, from archives that know no pages, the same as the one before."""
        offset, before = 0, ""
        while True:
            with coded(), quiet():
                page = [Dataset.from_json(item) for item in search(self._page, offset)]
                first = str(page[0][key].value) if page else ""
            if not page or first == before:
                return
            yield from page
            offset, before = offset + len(page), first


def refuse_failed(said: Dataset) -> None:
    """Hold an archive to its own answer: it may say that it failed, and HTTP that all went well.

    Raises:
        ArchiveError: ``archive-full`` or ``archive-refused``.

    Source: PS3.18 10.5.3; PS3.4 B.2.3 (failure reasons).
    """
    for failed in said.get("FailedSOPSequence") or ():
        raise failure(int(failed.get("FailureReason") or 0))


def _stated(filters: dict[str, str]) -> dict[str, str]:
    return {keyword: value for keyword, value in filters.items() if value}
