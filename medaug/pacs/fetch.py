"""From an archive into a folder, series by series: whole, declared or de-identified, and continued where it was cut."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar

from medaug.dicom.read.header import KINDS as IMAGES_READ
from medaug.errors import ArchiveError, ReadError
from medaug.pacs.archive import Archive, InstanceFound, Query, SeriesFound
from medaug.pacs.back_off import WAITS, patiently
from medaug.pacs.border import Retrieved, handed_over, refuse_other, retrieved
from medaug.pacs.deidentify.options import Deidentification
from medaug.pacs.deidentify.pseudonyms import Pseudonyms
from medaug.pacs.folder import ANNOTATIONS, IMAGES, Arrival, FetchFolder
from medaug.pacs.references import KINDS, refuse_unrelated
from medaug.storage.disk_map import DiskMap

T = TypeVar("T")
NO_IMAGES = frozenset({*KINDS.values(), "AU", "DOC", "ECG", "KO", "PR", "REG", "RTDOSE", "RTPLAN"})  # not asked for
ENDING = {"archive-unreachable", "archive-credentials", "archive-certificate", "archive-association", "archive-full"}


@dataclass(frozen=True)
class Order:
    """What a fetch is to do.

    Attributes:
        query: which series.
        how: the de-identification; None takes only what declares that identity was removed.
        annotations: whether SEG, RTSTRUCT and SR that refer to the images are fetched, too.
        waits: seconds before each further attempt.
        sleep: waits.
    """

    query: Query
    how: Deidentification | None = None
    annotations: bool = True
    waits: Sequence[float] = WAITS
    sleep: Callable[[float], object] = time.sleep


@dataclass
class Fetched:
    """What came of it.

    Attributes:
        series: image series that are there, those of earlier fetches included.
        images: their instances, likewise.
        annotations: annotation objects, likewise, by kind.
        before: of both, those that earlier fetches brought.
        left_out: code → series or annotations that were not handed over.
        why: code → a sentence of the first of them.
    """

    series: int = 0
    images: int = 0
    annotations: Counter[str] = field(default_factory=Counter)
    before: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)

    def leave(self, error: ReadError | ArchiveError) -> None:
        """Count something that is left out."""
        self.left_out[error.code] += 1
        self.why.setdefault(error.code, str(error))


def fetch(
    archive: Archive, folder: FetchFolder, order: Order, on_series: Callable[[Fetched], object] = lambda _: None
) -> Fetched:
    """Fetch what fits into a folder; given again, it goes on where it was cut.

    Args:
        archive: to ask.
        folder: to fill.
        order: what to do.
        on_series: is told after each series how far it is.

    Raises:
        ArchiveError: it can't be reached, or refuses as a whole; what has arrived stays.
        OutputError: the disk didn't take it.
    """
    return _Fetch(archive, folder, order).all(on_series)


class _Fetch:
    """One fetch: the archive, the folder, and what arrived until now."""

    def __init__(self, archive: Archive, folder: FetchFolder, order: Order) -> None:
        self._archive, self._folder, self._order = archive, folder, order
        self._names = Pseudonyms(folder.secret)
        self._same_uids = order.how is None or "uids" in order.how
        self._said = Fetched()
        self._instances: DiskMap[None] = DiskMap()  # by the archive's names
        self._series: DiskMap[str] = DiskMap()  # likewise → study
        for one in folder.arrivals():
            self._count(one)
        self._said.before = self._said.images + self._said.annotations.total()

    def all(self, on_series: Callable[[Fetched], object]) -> Fetched:
        """Images first, then what refers to them."""
        for series in self._listed(self._order.query).values():
            if series.modality not in NO_IMAGES and series.series not in self._series:
                self._images(series)
            on_series(self._said)
        if self._order.annotations:
            for study in sorted(set(self._series.values())):
                self._annotations(study)
                on_series(self._said)
        return self._said

    def _listed(self, query: Query) -> DiskMap[SeriesFound]:
        """Each series once, on disk; begun anew where the archive went away in between."""

        def ask() -> DiskMap[SeriesFound]:
            return DiskMap((series.series, series) for series in self._archive.find_series(query))

        return self._asked(ask)

    def _images(self, series: SeriesFound) -> None:
        """An image series: all of it or nothing."""
        name = self._names.file(series.series)
        place = str(PurePosixPath(IMAGES, self._names.file(series.study), name))
        try:
            instances = self._found(series)
            for one in instances:
                if not self._folder.holds(place, name, self._file(one)):
                    self._folder.put(name, self._file(one), self._image(one))
        except (ReadError, ArchiveError) as error:
            self._hold_back(error)
            if isinstance(error, ReadError):  # what the archive couldn't give may come next time
                self._folder.drop(name)
            return
        if instances:
            self._folder.deliver(name, place)
            self._note([(one, f"{place}/{self._file(one)}") for one in instances])

    def _image(self, one: InstanceFound) -> bytes:
        came = self._retrieved(one)
        if str(came.dataset.get("SOPClassUID")) not in IMAGES_READ:
            raise ReadError("an object that is no image to augment", code="not-an-image")
        refuse_other(came.dataset, self._order.query)
        return handed_over(came, self._order.how, self._names)

    def _annotations(self, study: str) -> None:
        """Segmentations, structure sets and reports of a study that refer to an image that arrived."""
        for series in self._listed(Query(studies=(study,), modalities=tuple(KINDS.values()))).values():
            for one in self._found(series):
                if one.instance not in self._instances:
                    self._annotation(one)

    def _annotation(self, one: InstanceFound) -> None:
        try:
            came = self._retrieved(one)
            kind = refuse_unrelated(came.dataset, self._instances)
            data = handed_over(came, self._order.how, self._names)
        except (ReadError, ArchiveError) as error:
            self._hold_back(error)
            return
        place = str(PurePosixPath(ANNOTATIONS, kind))
        self._folder.put_at(place, self._file(one), data)
        self._note([(one, f"{place}/{self._file(one)}")])

    def _found(self, series: SeriesFound) -> list[InstanceFound]:
        return self._asked(lambda: sorted(set(self._archive.find_instances(series))))

    def _retrieved(self, one: InstanceFound) -> Retrieved:
        return retrieved(lambda: self._asked(partial(self._archive.retrieve, one)), one)

    def _asked(self, ask: Callable[[], T]) -> T:
        return patiently(ask, self._order.waits, self._order.sleep)

    def _hold_back(self, error: ReadError | ArchiveError) -> None:
        """Leave one thing out, unless the archive as a whole refuses or is gone."""
        if error.code in ENDING:
            raise error
        self._said.leave(error)

    def _note(self, there: Sequence[tuple[InstanceFound, str]]) -> None:
        arrived = list(self._arrivals(there))
        self._folder.note(arrived)
        for one in arrived:
            self._count(one)

    def _arrivals(self, there: Sequence[tuple[InstanceFound, str]]) -> Iterator[Arrival]:
        for one, file in there:
            old = one.study, one.series, one.instance
            new = self._names.uid(one.study), self._names.uid(one.series), self._names.uid(one.instance)
            yield self._folder.arrival(one, old if self._same_uids else new, file)

    def _count(self, one: Arrival) -> None:
        kind = PurePosixPath(one.file).parts
        if kind[0] == IMAGES:
            self._said.images += 1
            self._said.series += one.series not in self._series
            self._series[one.series] = one.study
        else:
            self._said.annotations[kind[1]] += 1
        self._instances[one.instance] = None

    def _file(self, one: InstanceFound) -> str:
        return f"{self._names.file(one.instance)}.dcm"
