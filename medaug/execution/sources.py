"""What INPUT holds: DICOM series and NIfTI files, as handles that can be loaded again and again."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medaug.errors import ReadError, SourceError
from medaug.imaging.volume import Volume
from medaug.profile import Profile

if TYPE_CHECKING:
    from medaug.dicom.discover import SeriesFiles


@dataclass(frozen=True)
class Skip:
    """Something that is not augmented, and why. Holds no name and no path.

    Attributes:
        code: frozen English code.
        reason: one sentence.
        files: how many files it stands for.
        refused: True for an image series that could not be used, False for what never was one.
    """

    code: str
    reason: str
    files: int
    refused: bool


@dataclass(frozen=True)
class Source:
    """One series or NIfTI file, not loaded. Exactly one of ``series`` and ``nifti`` is set."""

    series: SeriesFiles | None
    nifti: Path | None
    by_slice: bool

    def load(self) -> tuple[Volume, ...]:
        """Read it: one volume, or one per slice.

        Raises:
            ReadError: not readable, or not safe to read as a volume.
        """
        if self.nifti is not None:
            from medaug.nifti import read_nifti

            return (read_nifti(self.nifti),)
        from medaug.dicom.read import read_series

        assert self.series is not None
        return read_series(self.series, slices=self.by_slice)

    @property
    def modality(self) -> str:
        """(0008,0060), or NIFTI."""
        return self.series.modality if self.series else "NIFTI"

    @property
    def files(self) -> int:
        """How many files it is made of."""
        return self.series.file_count if self.series else 1


def collect(root: Path, profile: Profile, leave_out: Sequence[Path]) -> tuple[tuple[Source, ...], tuple[Skip, ...]]:
    """Find every source below ``root``; nothing of it is changed.

    Args:
        root: INPUT.
        profile: says whether series are taken slice by slice.
        leave_out: files and folders of annotations: a label map is not an image to augment.

    Raises:
        ReadError: ``root`` does not exist or holds no file.
    """
    from medaug.dicom.discover import discover

    if not root.exists():
        raise ReadError("INPUT: no such file or folder; give the folder of the export", code="no-input")
    by_slice = profile.volumes.slices == "each"
    labels = {path.resolve() for path in leave_out} - {root.resolve()}  # INPUT itself may hold SEG objects
    nifti = [p for p in nifti_files(root) if not labels.intersection((p.resolve(), *p.resolve().parents))]
    found = discover(root)
    sources = [Source(series, None, by_slice) for series in found.series]
    sources += [Source(None, path, by_slice) for path in nifti]
    skips = tuple(Skip(s.code, s.reason, s.count, s.refused) for s in found.skipped)
    return tuple(sources), skips


def load_headers(source: Source) -> tuple[Volume, ...]:
    """Load a source and let go of its pixels: everything but ``stored``, which becomes zeros that take no memory."""
    return tuple(_without_pixels(volume) for volume in source.load())


def refusal(error: SourceError, files: int) -> Skip:
    """The skip that stands for a source which could not be used."""
    return Skip(error.code, str(error), files, refused=True)


def _without_pixels(volume: Volume) -> Volume:
    zero = np.zeros((), dtype=volume.stored.dtype)
    return replace(volume, stored=np.broadcast_to(zero, volume.stored.shape))


def nifti_files(root: Path) -> Iterator[Path]:
    """Regular files with a NIfTI name, in name order."""
    candidates = [root] if root.is_file() else sorted(root.rglob("*"))
    for path in candidates:
        name = path.name.lower()
        if name.endswith((".nii", ".nii.gz")) and stat.S_ISREG(path.lstat().st_mode):
            yield path
