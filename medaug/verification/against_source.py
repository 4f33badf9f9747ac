"""A derived image against its source: every protected voxel, its header, and what makes equal numbers mean the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medaug.audit.record import Output, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.audit.stored_pixels import decoded
from medaug.dicom import fields
from medaug.dicom.colour_encoding import colour_of, of_source, settle
from medaug.dicom.frames import is_enhanced
from medaug.dicom.read.parse import Instance, coded, instance
from medaug.dicom.write.attribute_values import Facts
from medaug.dicom.write.write import captured
from medaug.errors import ReadError, RegionError, WriteError, counted
from medaug.formats.registry import FORMATS
from medaug.imaging.colour import Colour
from medaug.imaging.graft import grafted_plane
from medaug.imaging.greying import Converted
from medaug.imaging.moved import moved_plane
from medaug.imaging.volume import Mask, Stored, Volume
from medaug.regions.marks import FREE
from medaug.verification.derivation import can_be_made_again, differing, header_differences, in_short
from medaug.verification.evidence_marks import Marks, beyond_window, boxes_on, lost_on
from medaug.verification.instance_headers import MEANING, OF_SCALE, meaning_faults, says_carried
from medaug.verification.unit_check import Findings, Image, UnitCheck, grown


def check_source(check: UnitCheck, output: Output, image: Image, marks: Marks | None, found: Findings) -> None:
    """Every protected voxel against the source's stored value, and what makes equal numbers mean the same."""
    assert check.sources is not None
    first = image.slices[0][0]
    path = check.sources[first]
    if path is None or (check.record.transplant and check.donor is None):
        return
    try:
        read, volume, original, converted = _read(check.record.source, path)
        _check_converted(check.record, output, converted, found)
        _check_named(check.record, first, read, found)
        if read and image.dataset:
            pairs = [(frame, _source_frame(check.record, k)) for k, frame in image.slices]
            own = _own(check.record)
            names = [name for name in meaning_faults(image.dataset, read.dataset, pairs) if name not in own]
            if names:
                found.add("meaning-differs", f"not as in the source: {', '.join(names)}", output.path)
    except ReadError as error:
        found.add("source-unreadable", f"slice {first + 1}: {error}")
        return
    if original.shape[1:] != image.stored.shape[1:] or original.dtype != image.stored.dtype:
        found.add("protected-changed", "the source has another size or kind of number", output.path)
        return
    places = [_source_frame(check.record, k) if read else k for k, _ in image.slices]
    if max(places) >= len(original) or max(frame for _, frame in image.slices) >= len(image.stored):
        found.add("protected-changed", "the image or the source has too few frames", output.path)
        return
    moved = _all_expected(check, output, original[places], found)
    for (k, frame), theirs in zip(image.slices if moved else (), moved, strict=True):
        planes = image.stored[frame], theirs
        _compare(check, output, k, planes, marks, found)
        _compare_colour(output, k, planes, colour_of(read.dataset, planes[1]) if read else None, found)
        if image.dataset and says_carried(image.dataset, frame) and not np.array_equal(*planes):
            found.add("carried-changed", f"slice {k + 1} says it was carried over, and isn't the source's", output.path)
    if moved and check.said is not None and can_be_made_again(check.record):
        shown = image.stored[[frame for _, frame in image.slices]]
        changed = [_differing(a, b) | _differing(b, c) for a, b, c in zip(shown, moved, original[places], strict=True)]
        _check_header(check, output, image, (read, volume, np.stack(changed)), found)


def _read(source: RecordedSource, path: Path) -> tuple[Instance | None, Volume | None, Stored, Converted]:
    """A source's file: a DICOM instance, or a volume; all its stored values, and how they were made grey."""
    kind = FORMATS.get(source.format or "")
    if kind is None:
        read = instance(path)
        samples, converted = of_source(read.dataset, decoded(read))
        settle(read.dataset)
        return read, None, samples, converted
    volume = kind.read(path)
    return None, volume, volume.stored, volume.converted


def _check_named(record: Record, k: int, read: Instance | None, found: Findings) -> None:
    """The record names its source as the source names itself."""
    source, ds = record.source, read.dataset if read else Dataset()
    stated = (source.instance_uids[k], source.series_uid, source.study_uid)
    names = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    wrong = [name for name, uid in zip(names, stated, strict=True) if fields.text(ds, name) not in {uid, ""}]
    if wrong:
        found.add("reference", f"slice {k + 1}: the record names another source: {', '.join(wrong)}")


def _check_converted(record: Record, output: Output, converted: Converted, found: Findings) -> None:
    """An image of three channels is made grey as the record says."""
    if converted != record.converted:
        said, does = (each or "nothing" for each in (record.converted, converted))
        found.add("meaning-differs", f"the record says converted: {said}, and reading the source: {does}", output.path)


def _check_header(
    check: UnitCheck,
    output: Output,
    image: Image,
    source: tuple[Instance | None, Volume | None, Mask],
    found: Findings,
) -> None:
    """The header as a whole, made again from the source's, which is used up; and where each slice differs from it."""
    read, volume, changed = source
    try:
        if image.dataset is None:
            assert volume is not None
            kind, path = FORMATS[volume.source.format], check.root / output.path
            if not kind.states(
                path, replace(volume, stored=image.stored), volume.source.files[0], not check.record.kind
            ):
                found.add("header-differs", "its header isn't the source's, marked as it must be", output.path)
            return
        names = _differences(check, output, image, (read, volume, changed))
    except (ReadError, WriteError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"the header can't be made again from the source's ({type(error).__name__})"
        found.add("header-differs", what, output.path)
        return
    unsaid = tuple(name for name in names if name not in MEANING or name in _own(check.record))
    if unsaid:
        found.add("header-differs", f"not what follows from the source's: {in_short(unsaid)}", output.path)


def _differences(
    check: UnitCheck, output: Output, image: Image, source: tuple[Instance | None, Volume | None, Mask]
) -> tuple[str, ...]:
    read, volume, changed = source
    assert check.said is not None
    assert image.dataset is not None
    record, shown = check.record, image.stored[[frame for _, frame in image.slices]]
    said, position = check.said.provenance(record), record.images.index(output)
    with coded():
        if volume is not None:
            return differing(captured(volume.source, shown[0], changed[0], said), image.dataset, image.raw)
        assert read is not None
        many = is_enhanced(read.dataset)
        frames = tuple(_source_frame(record, k) for k, _ in image.slices) if many else ()
        stored, mask = (shown, changed) if many else (shown[0], changed[0])
        syntax, untouched = read.dataset.file_meta.TransferSyntaxUID, not bool(changed.any())
        facts = Facts(read.dataset, syntax, stored, position, untouched, said, frames)
        return header_differences(image.dataset, facts, mask, check.said.profile, image.raw)


def _all_expected(check: UnitCheck, output: Output, planes: Stored, found: Findings) -> list[Stored]:
    """`_expected` of each plane; none where that can't be told."""
    try:
        return [_expected(check, plane) for plane in planes]
    except (ReadError, RegionError, IndexError) as error:
        found.add("source-unreadable", f"the donor's lesion can't be set in again: {error}", output.path)
        return []


def _expected(check: UnitCheck, plane: Stored) -> Stored:
    """The source's plane as the record says that it was moved, or with the donor's lesion as it says it was set in.

    Raises:
        ReadError: the donor can't be read.
        RegionError: it doesn't fit.
    """
    record = check.record
    if record.transplant is not None:
        assert check.donor is not None
        made = record.transplant
        frame = made.donor.frames[0] if made.donor.frames else 0
        theirs = _read(made.donor, check.donor)[2]
        return grafted_plane(plane, theirs[frame], made.graft)
    return plane if record.moved is None else moved_plane(plane, record.moved.motions)


def _own(record: Record) -> frozenset[str]:
    """Attributes that say what pixels mean, and follow from the record rather than from the source."""
    return OF_SCALE if record.kind == "classic" else frozenset()


def _source_frame(record: Record, k: int) -> int:
    return record.source.frames[k] if record.source.frames else 0


def _compare(
    check: UnitCheck, output: Output, k: int, planes: tuple[Stored, Stored], marks: Marks | None, found: Findings
) -> None:
    """One slice: (its values, the source's)."""
    kept = _protected(check, k, marks)
    differ = kept & _differing(*planes)
    found.compared += int(np.count_nonzero(kept))
    if differ.any():
        i, j = (int(x) for x in np.argwhere(differ)[0])
        count, boxed = int(np.count_nonzero(differ)), int(np.count_nonzero(differ & boxes_on(check.record, k)))
        where = f"slice {k + 1}, the first at row {i}, column {j}; {boxed} of them inside boxes"
        found.add("protected-changed", f"not the source's: {counted(count, 'protected voxel')}, {where}", output.path)


def _differing(one: Stored, other: Stored) -> Mask:
    """(rows, columns), True where any sample differs."""
    differ = np.asarray(one != other)
    return np.asarray(differ.any(axis=-1)) if differ.ndim > 2 else differ


def _compare_colour(
    output: Output, k: int, planes: tuple[Stored, Stored], theirs: Colour | None, found: Findings
) -> None:
    """Of a colour image: whatever the evidence marks, coloured pixels are the source's, and grey ones stay grey."""
    if theirs is None:
        return
    differ = (theirs.coloured & _differing(*planes)) | (Colour(planes[0], theirs.luminance).coloured != theirs.coloured)
    if differ.any():
        i, j = (int(x) for x in np.argwhere(differ)[0])
        what = f"another colour than in the source: {counted(int(np.count_nonzero(differ)), 'pixel')}"
        found.add("protected-changed", f"{what}, slice {k + 1}, the first at row {i}, column {j}", output.path)


def _protected(check: UnitCheck, k: int, marks: Marks | None) -> Mask:
    """All that the evidence doesn't mark as free; without evidence the boxes at least."""
    boxes = boxes_on(check.record, k)
    if check.record.kind == "classic":
        return np.ones_like(boxes)  # what lies beyond the source's borders included, whose number the map gives
    if not check.keeps_boxes:
        return ~marks(FREE, k) if marks else np.zeros_like(boxes)
    if check.record.transplant:
        boxes |= boxes_on(check.record, k, grown(check)) | beyond_window(check.record)
    boxes &= ~lost_on(check.record)
    return ~marks(FREE, k) | boxes if marks else boxes
