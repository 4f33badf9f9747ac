"""The volumes that records were made from, found again by their content."""

from __future__ import annotations

from pathlib import Path

from medaug.audit.recorded_source import RecordedSource
from medaug.errors import ReadError
from medaug.execution.planning.sources import collect
from medaug.imaging.volume import Volume
from medaug.profile.profile import Profile


class RecordedSources:
    """The source, listed once; the volumes that were read last are kept.

    Args:
        root: the source.
        profile: decides how series are read.
    """

    def __init__(self, root: Path, profile: Profile) -> None:
        self.sources = collect(root, profile, ()).sources
        self._last: tuple[Volume, ...] = ()

    def find(self, wanted: RecordedSource) -> Volume:
        """The volume that a record was made from, or whose lesion was set into it.

        Raises:
            ReadError: it isn't there any more, byte for byte.
        """
        for source in self.sources:
            if any(volume.source.key == wanted.key for volume in self._last):
                break
            if source.series_uid in {"", wanted.series_uid}:
                try:
                    self._last = source.load()
                except ReadError:
                    continue
        for volume in self._last:
            if volume.source.key == wanted.key:
                return volume
        raise ReadError(
            f"source: nothing in it has the content of source {wanted.key[:16]}; give the folder that the "
            "OUTPUT was made from",
            code="source-missing",
        )
