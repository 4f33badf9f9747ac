"""What INPUT holds, for those who only look: no profile, no annotations, no pixel of a DICOM file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medaug.dicom.discover import discover
from medaug.dicom.inspect import Notes, SeriesFacts, inspect, noting
from medaug.errors import ReadError
from medaug.execution.sources import Skip, Source, is_nifti, refusal
from medaug.imaging.volume import Volume


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
    found = discover(root, is_nifti, noting(notes))
    series = [inspect(each, notes) for each in found.series]
    skips = [Skip(s.code, s.reason, s.count, s.refused, s.series_uid) for s in found.skipped]
    for path in filter(is_nifti, found.files):
        try:
            series.append(_nifti(path))
        except ReadError as error:
            skips.append(refusal(error, Source(None, path, by_slice=False)))
    return Inventory(tuple(series), tuple(skips))


def _nifti(path: Path) -> SeriesFacts:
    from medaug.nifti import read_nifti

    volume: Volume = read_nifti(path)
    return SeriesFacts(
        series_uid=volume.source.series_uid,
        part="",
        modality="NIFTI",
        object_class="NIfTI-1",
        syntaxes=(volume.stored.dtype.name,),
        shape=volume.geometry.shape,
        spacing=volume.geometry.spacing,
        window=None,
        identity=volume.source.identity,
    )
