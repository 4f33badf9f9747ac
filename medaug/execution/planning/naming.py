"""What source files are called relative to INPUT, and where MONAI's readers find the real image of a source."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medaug.audit.source_names import NamedSource
from medaug.dicom import fields
from medaug.dicom.read.parse import header
from medaug.errors import ReadError
from medaug.imaging.volume import SourceRef

NUMBERS = ("NumberOfFrames", "InstanceNumber")


@dataclass(frozen=True)
class Naming:
    """How the lists of a run name its sources.

    Attributes:
        root: INPUT, which names are relative to.
        output: OUTPUT, which the paths of real images are relative to.
        plain: names may stand there as they are.
        images: the list holds the real images, too.
    """

    root: Path
    output: Path
    plain: bool = False
    images: bool = False

    def named(self, reference: SourceRef) -> NamedSource:
        """A source's names, not keyed yet."""
        files = list(dict.fromkeys(reference.files))
        names = tuple(relative_name(file, self.root) for file in files)
        image = real_image(reference) if self.images else None
        return NamedSource(reference.key, names, _from(self.output, image) if image else "")

    def note(self, sources: Iterable[NamedSource]) -> Iterator[str]:
        """A sentence about real images that were asked for and can't be listed."""
        left_out = sum(not source.image for source in sources) if self.images else 0
        if left_out:
            yield (
                f"--with-sources: monai.json holds {left_out} sources by their variants only: their files lie in an "
                "archive, in a folder with other files, or in another order than MONAI's readers would give"
            )


def real_image(reference: SourceRef) -> Path | None:
    """The file or folder that MONAI's readers read as exactly this source, slices in this order; None without one.

    `PydicomReader` takes a folder whole and orders it by InstanceNumber, and takes a file with all of its frames.
    """
    files = list(dict.fromkeys(reference.files))
    if not files or not all(file.is_file() for file in files):  # from an array, or in an archive
        return None
    if reference.format != "dicom":
        return files[0]
    try:
        headers = [header(file, NUMBERS)[0] for file in files]
    except (ReadError, OSError):
        return None
    frames, numbers = ([fields.number(each, keyword) for each in headers] for keyword in NUMBERS)
    if len(files) == 1:
        whole = reference.frames == tuple(range(int(frames[0] or 1)))
        return files[0] if whole else None
    return _folder(files, numbers)


def _folder(files: Sequence[Path], numbers: Sequence[float | None]) -> Path | None:
    """The folder that holds these files and no others, if their numbers rise as their slices do."""
    folder = files[0].parent
    alone = {file.parent for file in files} == {folder} and {entry.name for entry in os.scandir(folder)} == {
        file.name for file in files
    }
    known = [number for number in numbers if number is not None]
    rising = len(known) == len(files) and all(a < b for a, b in itertools.pairwise(known))
    return folder if alone and rising else None


def relative_name(file: Path, root: Path) -> str:
    """A file or folder below INPUT, as a POSIX path relative to it; INPUT itself by its own name."""
    if file == root:
        return file.name
    if file.is_relative_to(root):
        return file.relative_to(root).as_posix()
    return Path(os.path.relpath(file.resolve(), root.resolve())).as_posix()


def _from(output: Path, image: Path) -> str:
    return Path(os.path.relpath(image.resolve(), output.resolve())).as_posix()
