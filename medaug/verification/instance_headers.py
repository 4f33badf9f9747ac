"""What a derived instance says of itself, against its record and, where that is at hand, its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from medaug.audit.record import Record
from medaug.dicom import fields
from medaug.dicom.frames import PER_FRAME, SHARED, frames_of, is_enhanced
from medaug.dicom.read.parse import Instance, coded
from medaug.dicom.read.stack import Plane, plane_of
from medaug.dicom.write.secondary_capture import study_uid
from medaug.errors import ReadError, counted
from medaug.verification.derivation import Statement, can_be_made_again, expected_uids, in_short, table_faults
from medaug.verification.encoded import same_bytes
from medaug.verification.file_beginning import begins_as_written

Slices = Sequence[tuple[int, int]]  # (slice k, its 0-based frame in the file) of one image file
Found = Iterator[tuple[str, str]]  # (code, sentence)

# What protected pixels mean and where they lie: with another value here, equal numbers are another lesion.
MEANING = (
    "PhotometricInterpretation", "BitsStored", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "PixelSpacing", "ImagerPixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "FrameOfReferenceUID", "PatientOrientation", "ImageLaterality", "ViewPosition",
)  # fmt: skip

OF_SCALE = frozenset(
    {"PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"}
)  # a classic copy's are its own
_MEANING_TAGS = tuple((name, Tag(name)) for name in MEANING)
RESAMPLED = ("113085", "DCM")  # CID 7203: spatial resampling
SET_IN = ("TRANSPLANT", "99MEDAUG")
LABEL_GENERATED, GENERATED = ("GENERATED-LABEL", "99MEDAUG"), ("GENERATED", "99MEDAUG")
CLASSIC = ("CLASSIC", "99MEDAUG")
CARRIED = ("CARRIED", "99MEDAUG")  # the derivation of a slice without a generated pixel, see `dicom.values`


def slices_of(record: Record) -> tuple[Slices, ...]:
    """The slices of each image file of a unit, in the order of `Record.images`."""
    held: list[list[tuple[int, int]]] = [[] for _ in record.images]
    for k, (n, frame) in enumerate(record.slice_frames):
        if n < len(held):  # a record that names too few files is a fault of its own
            held[n].append((k, frame))
    return tuple(held)


def study_of(record: Record) -> str:
    """The study that the derived instances belong to: the source's, or the one that a picture gets."""
    source = record.source
    return source.study_uid if source.format == "dicom" else study_uid(source.study_uid)


def header_faults(record: Record, uid: str, slices: Slices, read: Instance, said: Statement | None) -> Found:
    """What a derived instance must say of itself (docs/reference/dicom.md).

    Args:
        record: of the unit.
        uid: the SOP Instance UID that the record gives the file.
        slices: that the file holds.
        read: the file.
        said: what all headers of the run are made by; None where that isn't known.
    """
    ds = read.dataset
    with coded():
        own, study, series = (
            fields.text(ds, name) for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
        )
        meta = str(ds.file_meta.get("MediaStorageSOPInstanceUID", ""))
        synthetic, kind = fields.text(ds, "SyntheticData"), _first(ds.get("ImageType"))
        faults = list(_frames(record, slices, ds) if is_enhanced(ds) else _classic(record, slices, ds))
        again = can_be_made_again(record)
        constant = tuple(table_faults(ds, said.profile if said else None)) if again else ()
        begins = not again or begins_as_written(ds)
    if not own == meta == uid:
        yield "uid-differs", "SOPInstanceUID, the file meta's and the record's are not one"
    if said and (own, series) != expected_uids(record, said.run, slices[0][0]):
        yield "uid-differs", "its UIDs don't follow from the run, the unit and the source"
    if own in record.source.instance_uids or series == record.source.series_uid:
        yield "uid-differs", "it has its source's SOPInstanceUID or SeriesInstanceUID"
    if constant:
        yield "header-differs", f"not as every derived instance has it: {in_short(constant)}"
    if not begins:
        yield "header-differs", "its preamble or file meta information isn't what medaug writes"
    if synthetic != "YES" and not (record.kind == "classic" and synthetic == "NO"):
        yield "not-synthetic", "SyntheticData (0008,001C) isn't YES"
    if kind != "DERIVED":
        yield "not-derived", "the first value of ImageType (0008,0008) isn't DERIVED"
    if study != study_of(record):
        yield "reference", "it lies in another study than its source"
    yield from _labels_unsaid(record, ds)
    yield from faults
    yield from _misplaced(record, slices, ds)


def meaning_faults(derived: Dataset, source: Dataset, pairs: Slices) -> Iterator[str]:
    """Attributes that the writer copies and without which equal numbers aren't the same lesion.

    Args:
        derived: a derived instance.
        source: the instance it was made from.
        pairs: (frame of the derived, frame of the source), from 0.
    """
    with coded():
        apart = (name for name, tag in _MEANING_TAGS if not same_bytes(derived, source, tag))
        wrong = {name for name in apart if derived.get(name) != source.get(name)}
        mine, theirs = zip(*pairs, strict=True) if is_enhanced(source) else ((), ())
        for one, other in zip(frames_of(derived, mine), frames_of(source, theirs), strict=True):
            wrong |= {e.keyword for e in other if e.keyword != "ImageType" and one.get(e.keyword) != e.value}
    yield from sorted(wrong)


def says_carried(ds: Dataset, frame: int) -> bool:
    """Whether an instance, or its frame, says that its slice holds no generated pixel."""
    holder = ds
    if is_enhanced(ds):
        entries = list(list(ds.get(PER_FRAME) or [])[frame].get("DerivationImageSequence") or [])
        holder = entries[-1] if entries else Dataset()
    codes = list(holder.get("DerivationCodeSequence") or [])
    return bool(codes) and (codes[-1].get("CodeValue"), codes[-1].get("CodingSchemeDesignator")) == CARRIED


def _labels_unsaid(record: Record, ds: Dataset) -> Found:
    """What became of labelled pixels, and isn't said."""
    if record.moved and not _says_resampled(ds):
        yield "moved-differs", "it doesn't say that its pixels were resampled and lie elsewhere than in its source"
    if (record.kind == "classic") != _says(ds, CLASSIC):
        yield "copy-differs", "whether it is a classic copy, of which nothing was generated, it and the record differ"
    if bool(record.transplant) != _says(ds, SET_IN):
        yield "transplant-differs", "whether a lesion was set in, it and the record say different things"
    if record.labels and not _says_label_generated(ds):
        yield "label-differs", "it doesn't say that the pixels in labelled boxes were generated"


def _says_resampled(ds: Dataset) -> bool:
    codes = {(c.get("CodeValue"), c.get("CodingSchemeDesignator")) for c in ds.get("DerivationCodeSequence") or []}
    stays = [item.get("SpatialLocationsPreserved") for item in ds.get("SourceImageSequence") or []]
    return RESAMPLED in codes and all(word == "NO" for word in stays)


def _says(ds: Dataset, wanted: tuple[str, str]) -> bool:
    codes = {(c.get("CodeValue"), c.get("CodingSchemeDesignator")) for c in ds.get("DerivationCodeSequence") or []}
    return wanted in codes


def _says_label_generated(ds: Dataset) -> bool:
    """Whether a header, or a frame of it, says so, or that nothing was generated at all."""
    holders = [
        ds,
        *(entry for group in ds.get(PER_FRAME) or [] for entry in group.get("DerivationImageSequence") or []),
    ]
    codes = [
        (c.get("CodeValue"), c.get("CodingSchemeDesignator"))
        for holder in holders
        for c in holder.get("DerivationCodeSequence") or []
    ]
    return LABEL_GENERATED in codes or (CARRIED in codes and GENERATED not in codes)


def sources_of(ds: Dataset) -> list[str]:
    """The instances in the SourceImageSequence of a header, or of every frame of a segmentation."""
    items = list(ds.get("SourceImageSequence") or [])
    for group in ds.get(PER_FRAME) or []:
        for derivation in group.get("DerivationImageSequence") or []:
            items += derivation.get("SourceImageSequence") or []
    return [str(item.get("ReferencedSOPInstanceUID", "")) for item in items]


def _classic(record: Record, slices: Slices, ds: Dataset) -> Found:
    dicom = record.source.format == "dicom"  # a picture has no instance that a reference could lead to
    sources, expected = sources_of(ds), {record.source.instance_uids[k] for k, _ in slices if dicom}
    if dicom and record.transplant:
        expected.add(record.transplant.donor.instance_uids[0])
    if fields.text(ds, "SOPInstanceUID") in sources:
        yield "reference", "SourceImageSequence refers to the instance itself"
    if set(sources) != expected:
        yield "reference", "SourceImageSequence isn't the recorded source's"


def _frames(record: Record, slices: Slices, ds: Dataset) -> Found:
    """Every frame is derived from the recorded frame of the recorded source, and says so itself."""
    groups = list(ds.get(PER_FRAME) or [])
    if len(groups) != len(slices):
        yield (
            "grid-differs",
            f"it has {counted(len(groups), 'frame')}, the record {counted(len(slices), 'slice')} for it",
        )
        return
    frames = record.source.frames or (0,) * len(record.source.instance_uids)
    wrong = [k + 1 for k, n in slices if _last_source(groups[n]) != (record.source.instance_uids[k], frames[k] + 1)]
    if wrong:
        yield "reference", f"frames of slices {_some(wrong)} don't name the recorded frame of the source"
    types = [_frame_types(group) for group in groups]
    shared = [kind for group in ds.get(SHARED) or [] for kind in _frame_types(group)]
    if any(kind != "DERIVED" for kinds in types for kind in (*kinds, *shared)):
        yield "not-derived", "the first value of a FrameType (0008,9007) isn't DERIVED"
    evidence = {
        (str(series.get("SeriesInstanceUID", "")), str(item.get("ReferencedSOPInstanceUID", "")))
        for study in ds.get("SourceImageEvidenceSequence") or []
        for series in study.get("ReferencedSeriesSequence") or []
        for item in series.get("ReferencedSOPSequence") or []
    }
    if not {(record.source.series_uid, record.source.instance_uids[k]) for k, _ in slices} <= evidence:
        yield "reference", "SourceImageEvidenceSequence doesn't name the recorded source"


def _last_source(group: Dataset) -> tuple[str, int] | None:
    """(instance, frame from 1) that a frame was last derived from; earlier derivations are its source's own."""
    derivations = list(group.get("DerivationImageSequence") or [])
    items = list(derivations[-1].get("SourceImageSequence") or []) if derivations else []
    if len(items) != 1:
        return None
    return str(items[0].get("ReferencedSOPInstanceUID", "")), int(items[0].get("ReferencedFrameNumber") or 0)


def _frame_types(group: Dataset) -> list[str]:
    entries = [entry for e in group if e.VR == "SQ" for entry in e.value if "FrameType" in entry]
    return [_first(entry.FrameType) for entry in entries]


def _misplaced(record: Record, slices: Slices, ds: Dataset) -> Found:
    """Slices that don't lie where the record's grid says, by the tolerance of `stack_grid`; see `meaning_faults`."""
    assert record.geometry is not None
    if record.geometry.space != "patient":
        return
    try:
        flat = frames_of(ds, [frame for _, frame in slices])
        wrong = [k + 1 for (k, _), one in zip(slices, flat, strict=True) if not _lies(record, k, plane_of(one))]
    except (ReadError, IndexError):
        yield "grid-differs", "its position, orientation or pixel spacing can't be read"
        return
    if wrong:
        yield "grid-differs", f"slices {_some(wrong)} lie elsewhere than on the record's grid"


def _lies(record: Record, k: int, plane: Plane) -> bool:
    assert record.geometry is not None
    affine = np.array(record.geometry.affine)
    step, down, along = affine[:3, :3].T
    if not np.allclose(
        [plane.column * plane.spacing[0], plane.row * plane.spacing[1]], [down, along], rtol=0, atol=5e-3
    ):
        return False
    off = plane.position - affine[:3] @ np.array([k, 0, 0, 1])
    depth = abs(float(off @ plane.normal))
    return depth <= 0.05 * float(np.linalg.norm(step)) + 0.01 and float(np.linalg.norm(off)) <= depth + max(
        plane.spacing
    )


def _first(values: object) -> str:
    if values is None or isinstance(values, str):
        return values or ""
    return str(next(iter(values), ""))  # type: ignore[call-overload]


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
