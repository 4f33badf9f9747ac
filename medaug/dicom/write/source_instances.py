"""The source's files, read once more before anything is derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from weakref import ReferenceType, ref

import numpy as np
from pydicom.dataset import Dataset

from medaug.dicom.colour_encoding import of_source
from medaug.dicom.frames import is_enhanced
from medaug.dicom.read import parse
from medaug.dicom.read.decode import stored_frames, stored_values
from medaug.dicom.read.header import KINDS
from medaug.dicom.read.parse import Instance
from medaug.errors import ReadError, WriteError
from medaug.imaging.volume import Stored, Volume

KEPT = 2**26  # bytes of files of one source


class Originals:
    """The files of the source that was written last, as their bytes were when they were checked.

    The variants of a source are written one after the other, and each starts from these bytes. Nothing depends on what
    is kept: at most ``KEPT`` bytes, let go of with the volume.
    """

    def __init__(self) -> None:
        self._source: ReferenceType[Volume] | None = None
        self._files: dict[Path, bytes] = {}

    def dataset(self, source: Volume, slices: Sequence[int]) -> Dataset:
        """The data set of the file that holds these slices of a source, to be changed by the caller.

        Its digest and its stored values were compared with the volume's.

        Raises:
            WriteError: ``source-changed``, ``sop-class``, or ``source-differs``, a defect.
            ReadError: the file can't be decoded any more.
        """
        if self._source is None or self._source() is not source:
            self._source, self._files = ref(source, self._forget), {}
        path = source.source.files[slices[0]]
        if path in self._files:
            return parse.dataset(self._files[path])
        data, read = _read_again(source, slices[0])
        _check_values(read, source, slices)
        if len(data) + sum(map(len, self._files.values())) <= KEPT:
            self._files[path] = data
        return read.dataset

    def _forget(self, gone: ReferenceType[Volume]) -> None:
        if self._source is gone:
            self._source, self._files = None, {}


def frames_of(ds: Dataset, source: Volume, slices: Sequence[int]) -> tuple[int, ...]:
    """The frames of an Enhanced object that these slices are; none of another."""
    return tuple(source.source.frames[k] for k in slices) if is_enhanced(ds) else ()


def decoded(read: Instance, frames: Sequence[int]) -> Stored:
    """The stored values: (frames, rows, columns) of an Enhanced object, (rows, columns, 3) in colour, else 2-D."""
    if not frames:
        return stored_values(read.dataset, read.outline)
    return np.stack(list(stored_frames(read.dataset, read.outline, frames)))


def samples_of(volume: Volume, slices: Sequence[int], frames: Sequence[int]) -> Stored:
    """What these slices of a volume store, shaped as `decoded` gives it."""
    return volume.samples[list(slices) if frames else slices[0]]


def _read_again(source: Volume, k: int) -> tuple[bytes, Instance]:
    """Read the file of slice ``k`` once more; what is hashed is what is parsed, so nothing can come in between."""
    reference = source.source
    try:
        data = parse.content(reference.files[k])
        read = parse.parsed(data)
        same = read.sha256 == reference.sha256[k] and read.dataset.SOPInstanceUID == reference.instance_uids[k]
        found = "another digest or SOP Instance UID than was read"
    except ReadError as error:
        same, found = False, error.code
    if not same:
        raise WriteError(
            f"slice {k + 1}: the source changed during the run ({found}); leave the input alone and run again",
            code="source-changed",
        )
    if read.dataset.SOPClassUID not in KINDS:
        raise WriteError(
            f"slice {k + 1}: SOP class {read.dataset.SOPClassUID} can't be written yet; expected a CR, DX, CT, MG, "
            "MR, SC, US, XA or XRF image; leave the series out",
            code="sop-class",
        )
    return data, read


def _check_values(read: Instance, source: Volume, slices: Sequence[int]) -> None:
    frames = frames_of(read.dataset, source, slices)
    original, _ = of_source(read.dataset, decoded(read, frames))
    if original.dtype != source.stored.dtype or not np.array_equal(original, samples_of(source, slices, frames)):
        raise WriteError(
            f"slice {slices[0] + 1}: its file, read again, holds other stored values than the volume; a defect",
            code="source-differs",
        )
