"""Whether an archive is the one that the sources came from: it is asked for them, whatever its address is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from medaug.audit.record import Record
from medaug.audit.recorded_source import RecordedSource
from medaug.errors import ArchiveError
from medaug.pacs.archive import Archive, SeriesFound
from medaug.pacs.back_off import Patience
from medaug.pacs.deidentify.basic import MARK
from medaug.pacs.folder import arrivals, asked_of
from medaug.storage.disk_map import DiskMap


class SameArchive:
    """A look for the sources, each asked for once.

    Args:
        archive: where to send to.
        address: of it, as it was given.
        fetched: the folder that the sources were fetched into, where they have pseudonyms.
        asked: asks with patience.

    Raises:
        ArchiveError: ``archive-same``: the folder was filled from this address.
        OutputError: the folder is none that a fetch filled.
    """

    def __init__(self, archive: Archive, address: str, fetched: Path | None, asked: Patience) -> None:
        self._archive, self._asked = archive, asked
        self._known: DiskMap[SeriesFound] = DiskMap()
        self._clear: set[str] = set()
        if fetched is not None:
            if asked_of(fetched).archive == address:
                raise same("the sources were fetched from this address")
            for one in arrivals(fetched):
                self._known[one.uids[1]] = SeriesFound(one.study, one.series)
        self._fetched = fetched is not None

    def refuse(self, record: Record, method: str) -> None:
        """Refuse a unit whose source lies in the archive.

        Args:
            record: of the unit.
            method: DeidentificationMethod (0012,0063) of its images.

        Raises:
            ArchiveError: ``archive-same``.
        """
        for source in record.shown:
            if source.series_uid and source.series_uid not in self._clear:
                self._look(source, method)
                self._clear.add(source.series_uid)

    def _look(self, source: RecordedSource, method: str) -> None:
        if MARK in method and source.series_uid not in self._known:
            what = "that folder doesn't know them" if self._fetched else "nothing tells under which they lie there"
            raise same(f"the sources were fetched under pseudonyms, and {what}; give --fetched FOLDER")
        for series in self._names(source):
            if self._asked(partial(self._holds, series)):
                raise same(f"it holds the source of a variant, series {source.series_uid}")

    def _holds(self, series: SeriesFound) -> bool:
        return next(self._archive.find_instances(series), None) is not None

    def _names(self, source: RecordedSource) -> Iterator[SeriesFound]:
        """Under which names a source may lie there."""
        yield SeriesFound(source.study_uid, source.series_uid)
        known = self._known.get(source.series_uid)
        if known is not None:
            yield known


def same(why: str) -> ArchiveError:
    """Synthetic images don't go where the clinical ones are, unless somebody said why."""
    return ArchiveError(
        f"the archive may be the one that the sources came from: {why}. Send to another one, or give "
        '--allow-same-archive "reason", and --study new beside it',
        code="archive-same",
    )
