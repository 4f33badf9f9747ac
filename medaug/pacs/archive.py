"""What is asked of an archive, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Query:
    """Which series are wanted; what is left empty excludes nothing.

    Attributes:
        studies: Study Instance UIDs.
        modalities: defined terms of Modality.
        dates: of the study: YYYYMMDD, or a range YYYYMMDD-YYYYMMDD of which an end may be missing.
        body_part: defined term of BodyPartExamined.
        description: of the series, whole.
    """

    studies: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    dates: str = ""
    body_part: str = ""
    description: str = ""


@dataclass(frozen=True, order=True)
class SeriesFound:
    """One series of an archive.

    Attributes:
        study: Study Instance UID.
        series: Series Instance UID.
        modality: as the archive says it; "" where it doesn't.
        body_part: likewise.
    """

    study: str
    series: str
    modality: str = ""
    body_part: str = ""


@dataclass(frozen=True, order=True)
class InstanceFound:
    """One instance of an archive.

    Attributes:
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
        sop_class: SOP Class UID; "" where the archive doesn't say it.
    """

    study: str
    series: str
    instance: str
    sop_class: str = ""


class Archive(Protocol):
    """A PACS. Methods raise `ArchiveError` with a code, a `TransientError` where another attempt may succeed."""

    def find_series(self, query: Query) -> Iterator[SeriesFound]:
        """Series that fit, page by page; each may be told twice."""

    def find_instances(self, series: SeriesFound) -> Iterator[InstanceFound]:
        """The instances of a series, page by page."""

    def retrieve(self, found: InstanceFound) -> bytes:
        """An instance as a file of PS3.10, in the transfer syntax in which the archive has it where it will say so."""

    def store(self, dataset: Dataset) -> None:
        """Give an instance, with its file meta information; that nothing is raised proves nothing."""

    def close(self) -> None:
        """End the connections."""
