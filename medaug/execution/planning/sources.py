"""What INPUT holds: DICOM series and other image files, as handles that can be loaded again and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medaug.annotations.matching.label_map_names import maps_beside
from medaug.annotations.registry import is_annotation
from medaug.errors import ReadError, SourceError
from medaug.formats.registry import FORMATS, format_of
from medaug.imaging.volume import Volume
from medaug.profile.profile import Profile

if TYPE_CHECKING:
    from medaug.dicom.read.discover import Found, Noting, SeriesFiles
    from medaug.dicom.read.parse import LastFile

TEXT_NOTE = "pictures can't say whether text is burned into them: look for names in the pixels"

# Why a source may name a person, and what to do, by `SourceRef.format`
DOUBTS = {
    "dicom": "the instances are '{state}': they don't declare that the patient's identity was removed (0012,0062); "
    "de-identify the export first",
    "nifti": "the NIfTI header holds free text or extensions, where a name may stand; clear them",
    "nrrd": "the NRRD header holds comments or fields of free text, where a name may stand; clear them",
    "picture": "the picture holds EXIF, text or a comment beside its pixels, where a name may stand; save it without",
}


@dataclass(frozen=True)
class Skip:
    """Something that is not augmented, and why. Holds no name and no path.

    Attributes:
        code: frozen English code.
        reason: one sentence.
        files: how many files it stands for.
        refused: True for an image series that could not be used, False for what never was one.
        series_uid: SeriesInstanceUID, or ``""`` where it isn't known or there is none.
    """

    code: str
    reason: str
    files: int
    refused: bool
    series_uid: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A skip, and its files, which stay inside the process or on the owner's screen."""

    skip: Skip
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One series or file, not loaded. Exactly one of ``series`` and ``file`` is set.

    Attributes:
        series: of DICOM.
        file: an image that is no DICOM.
        by_slice: take each slice of a series as a volume of its own.
        kind: of the file, a name of `formats.FORMATS`.
    """

    series: SeriesFiles | None
    file: Path | None
    by_slice: bool
    kind: str = ""

    def load(self, last: LastFile | None = None) -> tuple[Volume, ...]:
        """Read it: one volume, or one per slice.

        Args:
            last: of the caller who loads several sources, which may lie in one file.

        Raises:
            ReadError: not readable, or not safe to read as a volume.
        """
        if self.file is not None:
            return (FORMATS[self.kind].read(self.file),)
        from medaug.dicom.read.read import read_series

        assert self.series is not None
        return read_series(self.series, slices=self.by_slice, last=last)

    def volume(self, key: str, last: LastFile | None = None) -> Volume:
        """Read it: the volume of this key.

        Args:
            key: see `SourceRef.key`.
            last: as for `load`.

        Raises:
            ReadError: as `load`, or ``input-changed``: it holds another volume than when it was planned.
        """
        for volume in self.load(last):
            if volume.source.key == key:
                return volume
        raise ReadError("the source changed since it was planned", code="input-changed")

    @property
    def modality(self) -> str:
        """(0008,0060), or what profiles call such files."""
        return self.series.modality if self.series else FORMATS[self.kind].modality

    @property
    def files(self) -> int:
        """How many files it is made of."""
        return self.series.file_count if self.series else 1

    @property
    def paths(self) -> tuple[Path, ...]:
        """These files, each once."""
        if self.series:
            return tuple(dict.fromkeys(self.series.files))
        return (self.file,) if self.file else ()

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID, ``""`` where there is none."""
        return self.series.series_uid if self.series else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it although it can be used."""
        if self.series is None:
            return (TEXT_NOTE,) if FORMATS[self.kind].modality == "RASTER" else ()
        return tuple(f"series {self.series_uid}: {note}" for note in self.series.notes)


@dataclass(frozen=True)
class Collected:
    """What INPUT holds.

    Attributes:
        sources: DICOM series and image files.
        skips: what is none, and no annotation either.
        files: every file but annotations; an annotation by name may mean any of them.
        copies: which of them is a copy of one that a source holds; its name means that one.
        instances: SOP Instance UIDs of all files with a DICOM image, those that no source holds included.
        left_out: files that couldn't be used by themselves, and the code why.
    """

    sources: tuple[ImageSource, ...]
    skips: tuple[Skip, ...]
    files: tuple[Path, ...]
    copies: Mapping[Path, Path]
    instances: Mapping[Path, str]
    left_out: tuple[tuple[Path, str], ...] = ()

    def without(self, volumes: Iterable[Volume]) -> frozenset[str]:
        """UIDs of images and series that were found and are none of these volumes."""
        used = list(volumes)
        files = {file for volume in used for file in volume.source.files}
        series = {skip.series_uid for skip in self.skips} | {source.series_uid for source in self.sources}
        images = (uid for file, uid in self.instances.items() if file not in files)
        return frozenset((*images, *series - {volume.source.series_uid for volume in used})) - {""}


def collect(root: Path, profile: Profile, annotations: Sequence[Path]) -> Collected:
    """Find every source below ``root`` in one walk; nothing of it is changed.

    Args:
        root: INPUT.
        profile: says whether series are taken slice by slice.
        annotations: files and folders of annotations, which may lie in INPUT: a label map is not an image to augment.

    Raises:
        ReadError: ``root`` does not exist or holds no file.
    """
    from medaug.dicom.read.discover import discover

    if not root.exists():
        raise ReadError("INPUT: no such file or folder; give the folder of the export", code="no-input")
    given = {path.resolve() for path in annotations}
    labels = given - {root.resolve()}  # INPUT itself may hold SEG objects

    kinds: dict[Path, str] = {}

    def expected(path: Path) -> bool:
        return _noted(path, kinds) or (_within(path, given) and is_annotation(path))

    dicom = discover(root, expected)
    maps = maps_beside(path for path in kinds if not _within(path, labels))
    files = tuple(path for path in dicom.files if path not in maps and not _within(path, labels))
    by_slice = profile.volumes.slices == "each"
    sources = [ImageSource(series, None, by_slice) for series in dicom.series]
    sources += [ImageSource(None, path, by_slice, kinds[path]) for path in files if path in kinds]
    skips = [Skip(s.code, s.reason, s.count, s.refused, s.series_uid) for s in dicom.skipped]
    skips += skipped_maps([path for path in maps if not _within(path, given)])
    return Collected(tuple(sources), tuple(skips), files, dicom.copies, dicom.instances, dicom.left_out)


def skipped_maps(maps: Collection[Path]) -> list[Skip]:
    """The skip that stands for label maps which lie beside their images and aren't given as annotations."""
    reason = "a label map of an image beside it, by its name; give it with --annotations"
    return [Skip("label-map", reason, len(maps), refused=False)] if maps else []


@dataclass(frozen=True, eq=False)
class Header:
    """A volume without its pixels; ``first`` is the least key of its source, which keeps a series' slices together."""

    source: ImageSource
    volume: Volume
    first: str

    @property
    def key(self) -> str:
        """Of the volume."""
        return self.volume.source.key


def load_headers(
    source: ImageSource, last: LastFile | None = None, look: Callable[[Volume], None] | None = None
) -> tuple[Volume, ...]:
    """Load a source and let go of its pixels: ``stored`` becomes zeros that take no memory.

    Args:
        source: what to load.
        last: see `ImageSource.load`.
        look: called with each volume while it has its pixels.
    """
    return tuple(_without_pixels(volume, look) for volume in source.load(last))


def refusal(error: SourceError, source: ImageSource) -> Skip:
    """The skip that stands for a source which could not be used."""
    return Skip(error.code, str(error), source.files, refused=True, series_uid=source.series_uid)


def _without_pixels(volume: Volume, look: Callable[[Volume], None] | None) -> Volume:
    if look:
        look(volume)
    zero = np.zeros((), dtype=volume.stored.dtype)
    return replace(volume, stored=np.broadcast_to(zero, volume.stored.shape), colour=None)


def _noted(path: Path, kinds: dict[Path, str]) -> bool:
    """Whether a file that is no DICOM image is another one; if so its kind is noted."""
    try:
        kind = format_of(path)
    except (OSError, ReadError):
        return False
    if kind:
        kinds[path] = kind.name
    return kind is not None


def image_files(root: Path, noting: Noting) -> tuple[Found, tuple[ImageSource, ...], tuple[Skip, ...]]:
    """Everything below ``root``: what of it is DICOM, the other image files, and the label maps beside them.

    Args:
        root: a folder, or one file.
        noting: see `discover`.

    Raises:
        ReadError: ``root`` does not exist or holds no file.
    """
    from medaug.dicom.read.discover import discover

    kinds: dict[Path, str] = {}
    dicom = discover(root, lambda path: _noted(path, kinds), noting)
    maps = maps_beside(kinds)
    sources = (ImageSource(None, path, by_slice=False, kind=kind) for path, kind in kinds.items() if path not in maps)
    return dicom, tuple(sources), tuple(skipped_maps(maps))


def _within(path: Path, folders: Collection[Path]) -> bool:
    """Whether a resolved path is one of these, or lies below one."""
    return bool(folders) and (path in folders or any(parent in folders for parent in path.parents))


def merged(skips: Iterable[Skip]) -> tuple[Skip, ...]:
    """Equal reasons of one series become one."""
    files: dict[tuple[str, str, bool, str], int] = defaultdict(int)
    for skip in skips:
        files[skip.code, skip.reason, skip.refused, skip.series_uid] += skip.files
    return tuple(Skip(code, why, n, refused, uid) for (code, why, refused, uid), n in sorted(files.items()))
