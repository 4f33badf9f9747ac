"""One unit's files: each is read once, slice by slice, so that memory holds one image at a time."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medaug.audit.layout import EVIDENCE, RECORD
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Output, Record
from medaug.audit.stored_pixels import decoded, stored_of, volume_of
from medaug.dicom.colour_encoding import colour_of
from medaug.dicom.evidence.evidence_headers import IDENTITY
from medaug.dicom.read.parse import coded, instance
from medaug.errors import OutputError, ReadError, counted
from medaug.formats.registry import REGIONS
from medaug.imaging.colour import Colour
from medaug.imaging.moved import moved_plane
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Mask, Stored
from medaug.regions.marks import FREE
from medaug.storage.plain_files import is_plain, read_plain
from medaug.verification.evidence_marks import (
    Marks,
    boxes_on,
    check_marks,
    lost_on,
    marks_of_label_map,
    marks_of_segmentation,
)
from medaug.verification.faults import Fault
from medaug.verification.instance_headers import (
    Slices,
    header_faults,
    meaning_faults,
    says_carried,
    slices_of,
    sources_of,
    study_of,
)


@dataclass(frozen=True)
class UnitCheck:
    """A unit to check.

    Attributes:
        root: OUTPUT.
        record: the ledger's.
        sources: the source's file for each slice, None where none has its digest; None where none was given.
        keeps_boxes: False where the law regenerates the boxes themselves.
    """

    root: Path
    record: Record
    sources: tuple[Path | None, ...] | None
    keeps_boxes: bool


@dataclass
class Findings:
    """What was found of a unit; filled while its files are read.

    Attributes:
        faults: what is wrong.
        digests: file → sha256, of every file that is there.
        instances: SOP Instance UIDs, of evidence too.
        series: SeriesInstanceUIDs of the image.
        compared: protected voxels that were compared with the source.
    """

    unit: str
    faults: list[Fault] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    instances: list[str] = field(default_factory=list)
    series: set[str] = field(default_factory=set)
    compared: int = 0

    def add(self, code: str, message: str, file: str = "") -> None:
        """Note a fault."""
        self.faults.append(Fault(code, message, file, self.unit))


def check_unit(check: UnitCheck) -> Findings:
    """Check all files of a written unit against its record, and with the source voxel by voxel."""
    found = Findings(check.record.unit)
    _check_record_file(check, found)
    images = {output.path for output in check.record.images}
    marks = None
    for output in check.record.outputs:
        if output.path not in images:
            marks = _check_other(check, output, found) or marks
    if check.sources is not None and None in check.sources:
        missing = sum(path is None for path in check.sources)
        found.add(
            "source-missing",
            f"no match among the given files for {missing} of {counted(len(check.sources), 'source file')}",
        )
    for output, slices in zip(check.record.images, slices_of(check.record), strict=True):
        _check_image(check, output, slices, marks, found)
    if len(found.series) > 1:
        found.add("uid-differs", f"the image has {len(found.series)} SeriesInstanceUIDs, expected one")
    return found


def _check_record_file(check: UnitCheck, found: Findings) -> None:
    name = f"{check.record.folder}/{RECORD}"
    path = check.root / name
    try:
        content = read_plain(path, follow=False)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        what = "a written unit has no record" if gone else f"it can't be read ({error.strerror})"
        found.add("file-missing" if gone else "unreadable", what, name)
        return
    found.digests[name] = hashlib.sha256(content).hexdigest()
    if content != check.record.to_json().encode() + b"\n":
        found.add("record-differs", "it isn't the ledger's record of the unit", name)


def _check_other(check: UnitCheck, output: Output, found: Findings) -> Marks | None:
    """A file that is no image: its digest, and what evidence says."""
    path = check.root / output.path
    if not _present(path, output, found):
        return None
    marks, label_map = None, f"{check.record.folder}/{EVIDENCE}/{REGIONS}."
    try:
        if path.suffix == ".dcm":
            read = instance(path)
            _note(read.sha256, output, found)
            with coded():
                _check_evidence(check.record, output, read.dataset, found)
                marks = marks_of_segmentation(read, check.record) if path.name == "regions.dcm" else None
        else:
            _note(sha256_of(path), output, found)
            marks = marks_of_label_map(path, check.record) if output.path.startswith(label_map) else None
        if marks:
            found.faults += check_marks(marks, check.record, output.path, keeps_boxes=check.keeps_boxes)
    except (ReadError, OutputError) as error:
        _note_unreadable(check, output, str(error), found)
    return marks


def _check_evidence(record: Record, output: Output, ds: Dataset, found: Findings) -> None:
    """An evidence object belongs to the unit's study and refers to nothing but the unit's own objects."""
    found.instances.append(str(ds.get("SOPInstanceUID", "")))
    if found.instances[-1] != output.sop_instance_uid:
        found.add("uid-differs", "its SOPInstanceUID isn't the record's", output.path)
    own = {other.sop_instance_uid for other in record.outputs} - {""}
    referred = _referred(ds)
    if referred - own or output.sop_instance_uid in referred:
        found.add("reference", f"{len(referred - own)} references lead outside the unit, or one to itself", output.path)
    if str(ds.get("StudyInstanceUID", "")) != study_of(record):
        found.add("reference", "it lies in another study than its source", output.path)


def _referred(ds: Dataset) -> set[str]:
    """The instances that an evidence object refers to."""
    if "PerFrameFunctionalGroupsSequence" not in ds:
        own = (Dataset({e.tag: e}) for e in ds if e.keyword not in IDENTITY)  # what is the source's may refer anywhere
        return {str(e.value) for part in own for e in part.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    series = ds.get("ReferencedSeriesSequence") or []  # where they are known: looking at every element takes long
    items = [item for entry in series for item in entry.get("ReferencedInstanceSequence") or []]
    return {*sources_of(ds), *(str(item.get("ReferencedSOPInstanceUID", "")) for item in items)}


@dataclass(frozen=True, eq=False)
class _Image:
    """One image file as read: its values (frames, rows, columns[, 3]), its header if DICOM, the slices it holds."""

    stored: Stored
    dataset: Dataset | None
    slices: Slices


def _check_image(check: UnitCheck, output: Output, slices: Slices, marks: Marks | None, found: Findings) -> None:
    path = check.root / output.path
    if not (_present(path, output, found) and slices):
        return
    try:
        image = _read_image(check, output, slices, found)
    except (ReadError, OutputError) as error:
        _note_unreadable(check, output, str(error), found)
        return
    stored, shape = image.stored, check.record.geometry.shape if check.record.geometry else (0, 0, 0)
    if pixels_digest(stored) != output.pixels_sha256:
        found.add("pixels-differ", "its stored values have another digest than in the record", output.path)
    if stored.shape[:3] != (len(slices), *shape[1:]):
        expected = (len(slices), *shape[1:])
        found.add("grid-differs", f"expected {expected} (slices, rows, columns), found {stored.shape}", output.path)
    elif check.sources is not None:
        _check_source(check, output, image, marks, found)


def _read_image(check: UnitCheck, output: Output, slices: Slices, found: Findings) -> _Image:
    path = check.root / output.path
    if path.suffix != ".dcm":
        _note(sha256_of(path), output, found)
        return _Image(stored_of(path), None, slices)
    read = instance(path)
    _note(read.sha256, output, found)
    for code, message in header_faults(check.record, output.sop_instance_uid, slices, read):
        found.add(code, message, output.path)
    found.instances.append(str(read.dataset.get("SOPInstanceUID", "")))
    found.series.add(str(read.dataset.get("SeriesInstanceUID", "")))
    return _Image(decoded(read), read.dataset, slices)


def _check_source(check: UnitCheck, output: Output, image: _Image, marks: Marks | None, found: Findings) -> None:
    """Every protected voxel against the source's stored value, and what makes equal numbers mean the same."""
    assert check.sources is not None
    first = image.slices[0][0]
    path = check.sources[first]
    if path is None:
        return
    try:
        read = instance(path) if check.record.source.format == "dicom" else None
        original = decoded(read) if read else _of_picture(check.record, path, output, found)
        if read and image.dataset:
            pairs = [(frame, _source_frame(check.record, k)) for k, frame in image.slices]
            names = list(meaning_faults(image.dataset, read.dataset, pairs))
            if names:
                found.add("meaning-differs", f"not as in the source: {', '.join(names)}", output.path)
    except ReadError as error:
        found.add("source-unreadable", f"slice {first + 1}: {error}")
        return
    if original.shape[1:] != image.stored.shape[1:] or original.dtype != image.stored.dtype:
        found.add("protected-changed", "the source has another size or kind of number", output.path)
        return
    for k, frame in image.slices:
        place = _source_frame(check.record, k) if read else k
        if place >= len(original) or frame >= len(image.stored):
            found.add("protected-changed", f"slice {k + 1}: the image or the source has no such frame", output.path)
        else:
            planes = image.stored[frame], _moved(check.record, original[place])
            _compare(check, output, k, planes, marks, found)
            _compare_colour(output, k, planes, colour_of(read.dataset, planes[1]) if read else None, found)
            if image.dataset and says_carried(image.dataset, frame) and not np.array_equal(*planes):
                found.add(
                    "carried-changed", f"slice {k + 1} says it was carried over, and isn't the source's", output.path
                )


def _of_picture(record: Record, path: Path, output: Output, found: Findings) -> Stored:
    """The values of a source that is no DICOM, made grey as the record says."""
    volume = volume_of(path, record.source.format)
    if volume.converted != record.converted:
        said, does = (each or "nothing" for each in (record.converted, volume.converted))
        found.add("meaning-differs", f"the record says converted: {said}, and reading the source: {does}", output.path)
    return volume.stored


def _moved(record: Record, plane: Stored) -> Stored:
    """The source's plane as the record says that it was moved."""
    return plane if record.moved is None else moved_plane(plane, record.moved.motions)


def _source_frame(record: Record, k: int) -> int:
    return record.source.frames[k] if record.source.frames else 0


def _compare(
    check: UnitCheck, output: Output, k: int, planes: tuple[Stored, Stored], marks: Marks | None, found: Findings
) -> None:
    """One slice: (its values, the source's)."""
    kept = _protected(check, k, marks)
    differ = kept & _apart(*planes)
    found.compared += int(np.count_nonzero(kept))
    if differ.any():
        i, j = (int(x) for x in np.argwhere(differ)[0])
        count, boxed = int(np.count_nonzero(differ)), int(np.count_nonzero(differ & boxes_on(check.record, k)))
        where = f"slice {k + 1}, the first at row {i}, column {j}; {boxed} of them inside boxes"
        found.add("protected-changed", f"not the source's: {counted(count, 'protected voxel')}, {where}", output.path)


def _apart(one: Stored, other: Stored) -> Mask:
    """(rows, columns), True where any sample differs."""
    differ = np.asarray(one != other)
    return np.asarray(differ.any(axis=-1)) if differ.ndim > 2 else differ


def _compare_colour(
    output: Output, k: int, planes: tuple[Stored, Stored], theirs: Colour | None, found: Findings
) -> None:
    """Of a colour image: whatever the evidence marks, coloured pixels are the source's, and grey ones stay grey."""
    if theirs is None:
        return
    differ = (theirs.coloured & _apart(*planes)) | (Colour(planes[0], theirs.luminance).coloured != theirs.coloured)
    if differ.any():
        i, j = (int(x) for x in np.argwhere(differ)[0])
        what = f"another colour than in the source: {counted(int(np.count_nonzero(differ)), 'pixel')}"
        found.add("protected-changed", f"{what}, slice {k + 1}, the first at row {i}, column {j}", output.path)


def _protected(check: UnitCheck, k: int, marks: Marks | None) -> Mask:
    """All that the evidence doesn't mark as free; without evidence the boxes at least."""
    boxes = boxes_on(check.record, k)
    if not check.keeps_boxes:
        return ~marks(FREE, k) if marks else np.zeros_like(boxes)
    boxes &= ~lost_on(check.record)
    return ~marks(FREE, k) | boxes if marks else boxes


def _present(path: Path, output: Output, found: Findings) -> bool:
    if is_plain(path, follow=False):
        return True
    found.add("file-missing", "the record names it, and it isn't there", output.path)
    return False


def _note_unreadable(check: UnitCheck, output: Output, why: str, found: Findings) -> None:
    found.add("unreadable", why, output.path)
    if output.path not in found.digests:
        with suppress(OutputError):
            _note(sha256_of(check.root / output.path), output, found)


def _note(sha256: str, output: Output, found: Findings) -> None:
    found.digests[output.path] = sha256
    if sha256 != output.sha256:
        found.add("file-changed", "it has another digest than in the record", output.path)
