"""One unit's files: each is read once, slice by slice, so that memory holds one image at a time."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.audit.layout import EVIDENCE, RECORD
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Output, Record
from medaug.audit.stored_pixels import decoded, stored_of, volume_of
from medaug.dicom.evidence.evidence_headers import IDENTITY
from medaug.dicom.read.parse import Instance, coded, instance
from medaug.errors import OutputError, ReadError, WriteError, counted
from medaug.formats.registry import FORMATS, REGIONS
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Rescale, Stored
from medaug.storage.plain_files import is_plain, read_plain
from medaug.verification.against_source import check_source
from medaug.verification.derivation import as_read, can_be_made_again, in_short
from medaug.verification.encoded import Elements
from medaug.verification.evidence_marks import (
    Marks,
    check_marks,
    marks_of_label_map,
    marks_of_segmentation,
    misplaced,
)
from medaug.verification.evidence_objects import object_differences
from medaug.verification.file_beginning import begins_as_written
from medaug.verification.instance_headers import (
    Slices,
    header_faults,
    slices_of,
    sources_of,
    study_of,
)
from medaug.verification.unit_check import Findings, Image, UnitCheck, grown

CLOSE = 1e-4  # mm


def check_unit(check: UnitCheck) -> Findings:
    """Check all files of a written unit against its record, and with the source voxel by voxel."""
    findings = Findings(check.record.unit)
    _check_record_file(check, findings)
    images = {output.path for output in check.record.images}
    marks = None
    for output in check.record.outputs:
        if output.path not in images:
            marks = _check_other(check, output, findings) or marks
    if check.sources is not None and None in check.sources:
        missing = sum(path is None for path in check.sources)
        findings.add(
            "source-missing",
            f"no match among the given files for {missing} of {counted(len(check.sources), 'source file')}",
        )
    if check.sources is not None and check.record.transplant and check.donor is None:
        findings.add("source-missing", "no match among the given files for the image whose lesion was set in")
    for output, slices in zip(check.record.images, slices_of(check.record), strict=True):
        _check_image(check, output, slices, marks, findings)
    if len(findings.series) > 1:
        findings.add("uid-differs", f"the image has {len(findings.series)} SeriesInstanceUIDs, expected one")
    return findings


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
            raw = as_read(read.dataset)
            _note(read.sha256, output, found)
            with coded():
                _check_evidence(check.record, output, read.dataset, found)
                _check_made_again(check, output, read.dataset, raw, found)
                marks = _marks(check.record, output, read, found) if path.name == "regions.dcm" else None
        else:
            _note(sha256_of(path), output, found)
            marks = _label_map(check.record, path, output, found) if output.path.startswith(label_map) else None
        if marks:
            found.faults += check_marks(
                marks, check.record, output.path, grown=grown(check), keeps_boxes=check.keeps_boxes
            )
    except (ReadError, OutputError) as error:
        _note_unreadable(check, output, str(error), found)
    return marks


def _label_map(record: Record, path: Path, output: Output, found: Findings) -> Marks:
    """What a label map marks; that it lies where the image lies, and says what medaug writes, is checked on the way."""
    assert record.geometry is not None
    volume = volume_of(path, record.source.format)
    marks, grid = marks_of_label_map(volume.stored, record), volume.geometry
    plain = replace(volume, rescale=(Rescale(),) * len(volume.rescale))
    try:
        said = not can_be_made_again(record) or FORMATS[volume.source.format].states(path, plain, None, True)
    except WriteError:
        said = False
    if not said or (grid.space == "patient" and not grid.close_to(record.geometry.geometry, CLOSE)):
        found.add("evidence-differs", "its header isn't what is written beside this image", output.path)
    return marks


def _marks(record: Record, output: Output, read: Instance, found: Findings) -> Marks:
    """What a segmentation marks; that its frames lie where its images lie is checked on the way."""
    assert record.geometry is not None
    marks = marks_of_segmentation(read, record)
    wrong = misplaced(read.dataset, record) if record.geometry.space == "patient" else []
    if wrong:
        found.add("regions-differ", f"{counted(len(wrong), 'frame')} lie elsewhere than the image", output.path)
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


def _check_made_again(check: UnitCheck, output: Output, ds: Dataset, raw: Elements, found: Findings) -> None:
    """The object as it would be made of the unit's images now."""
    either = ("YES", "NO") if check.record.kind == "classic" else ("YES",)
    for keyword, values in (("SyntheticData", either), ("ContentQualification", ("RESEARCH",))):
        if ds.get(keyword) not in values:
            found.add("not-synthetic", f"{keyword} isn't {' or '.join(values)}", output.path)
    if can_be_made_again(check.record) and not begins_as_written(ds):
        found.add("evidence-differs", "its preamble or file meta information isn't what medaug writes", output.path)
    images = [check.root / image.path for image in check.record.images]
    if check.said is None or not can_be_made_again(check.record) or not all(map(is_plain, images)):
        return
    try:
        said = check.said.provenance(check.record)
        names = object_differences((check.root / output.path, ds, raw), images, check.record, said)
    except Exception as error:  # noqa: BLE001 - its builder raises anything over odd headers
        found.add("evidence-differs", f"it can't be made again ({type(error).__name__})", output.path)
        return
    if names:
        found.add("evidence-differs", f"not what follows from image and record: {in_short(names)}", output.path)


def _referred(ds: Dataset) -> set[str]:
    """The instances that an evidence object refers to."""
    if "PerFrameFunctionalGroupsSequence" not in ds:
        own = (Dataset({e.tag: e}) for e in ds if e.keyword not in IDENTITY)  # what is the source's may refer anywhere
        return {str(e.value) for part in own for e in part.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    series = ds.get("ReferencedSeriesSequence") or []  # where they are known: looking at every element takes long
    items = [item for entry in series for item in entry.get("ReferencedInstanceSequence") or []]
    return {*sources_of(ds), *(str(item.get("ReferencedSOPInstanceUID", "")) for item in items)}


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
        check_source(check, output, image, marks, found)


def _read_image(check: UnitCheck, output: Output, slices: Slices, found: Findings) -> Image:
    path = check.root / output.path
    if path.suffix != ".dcm":
        _note(sha256_of(path), output, found)
        return Image(_volume(check, output, found), None, slices)
    read = instance(path)
    raw = as_read(read.dataset)
    _note(read.sha256, output, found)
    for code, message in header_faults(check.record, output.sop_instance_uid, slices, read, check.said):
        found.add(code, message, output.path)
    found.instances.append(str(read.dataset.get("SOPInstanceUID", "")))
    found.series.add(str(read.dataset.get("SeriesInstanceUID", "")))
    return Image(decoded(read), read.dataset, slices, raw)


def _volume(check: UnitCheck, output: Output, found: Findings) -> Stored:
    """The values of an image that is no DICOM, after its header was held to the record and to itself."""
    path, record = check.root / output.path, check.record
    kind = FORMATS.get(record.source.format or "")
    if kind is None:
        return stored_of(path)
    volume = kind.read(path)
    assert record.geometry is not None
    if volume.geometry.space == "patient" and not volume.geometry.close_to(record.geometry.geometry, CLOSE):
        found.add("grid-differs", "its voxels lie elsewhere than on the record's grid", output.path)
    if can_be_made_again(record) and not kind.states(path, volume, path, not record.kind):
        found.add("header-differs", "its header isn't what medaug writes, marked as it must be", output.path)
    return volume.stored


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
