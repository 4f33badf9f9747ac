"""What INPUT holds, for those who only look: no profile, no annotations, no pixel of a DICOM file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medaug.dicom.inspect import Notes, SeriesFacts, inspect, noting
from medaug.errors import ReadError
from medaug.execution.sources import Skip, Source, image_files, refusal
from medaug.formats import FORMATS


@dataclass(frozen=True)
class Inventory:
    """Series with their facts, and everything else with a reason."""

    series: tuple[SeriesFacts, ...]
    skips: tuple[Skip, ...]

    @property
    def usable(self) -> int:
        """How many series nothing speaks against."""
        return sum(series.usable for series in self.series)


def inventory(root: Path) -> Inventory:
    """List every series below ``root``, in an order that depends on UIDs only.

    Raises:
        ReadError: ``no-input``: there is no such folder, or it holds no file.
    """
    notes: Notes = {}
    found, others = image_files(root, noting(notes))
    series = [inspect(each, notes) for each in found.series]
    skips = [Skip(s.code, s.reason, s.count, s.refused, s.series_uid) for s in found.skipped]
    for source in others:
        try:
            series.append(_facts(source))
        except ReadError as error:
            skips.append(refusal(error, source))
    return Inventory(tuple(series), tuple(skips))


def _facts(source: Source) -> SeriesFacts:
    """A file that is no DICOM; it is read whole."""
    (volume,) = source.load()
    return SeriesFacts(
        series_uid=volume.source.series_uid,
        part="",
        modality=source.modality,
        object_class=FORMATS[source.kind].title,
        syntaxes=(volume.stored.dtype.name,),
        shape=volume.geometry.shape,
        spacing=volume.geometry.spacing if volume.geometry.space != "pixel" else None,
        window=volume.window,
        identity=volume.source.identity,
        notes=source.notes,
    )
