"""Writes a variant as a derived series: the source's instances, edited by the table in `attributes`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian

from medaug.dicom.colour_encoding import settle
from medaug.dicom.frames import is_enhanced
from medaug.dicom.read.parse import MAX_FILE, Instance, parsed
from medaug.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from medaug.dicom.write.attribute_values import Equipment, Facts
from medaug.dicom.write.attributes import rows
from medaug.dicom.write.derive import derive
from medaug.dicom.write.encode import CODECS, OutputSyntax, encode
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.secondary_capture import picture
from medaug.dicom.write.source_instances import Originals, decoded, frames_of, samples_of
from medaug.dicom.write.stored_values import check_change, check_fits, overwritten
from medaug.dicom.write.written import Written
from medaug.errors import ReadError, WriteError
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Mask, SourceRef, Stored, Volume
from medaug.processes.quiet import quiet
from medaug.storage.atomic import disk_errors, replacing
from medaug.storage.plain_files import read_plain


@dataclass(frozen=True)
class Style:
    """What a profile may choose about the files; no pixel depends on it.

    Attributes:
        keep_private: keep private elements, whatever they hold.
        equipment: ``standard`` names medaug as the equipment, ``simulate`` keeps the scanner's name.
        syntax: the encoding; none of them loses anything, and each file is decoded again and compared.
    """

    keep_private: bool = False
    equipment: Equipment = "standard"
    syntax: OutputSyntax = "explicit-le"


DEFAULT = Style()
_BAD = "not-read-back"


@dataclass(frozen=True)
class _Policy:
    provenance: Provenance
    style: Style
    originals: Originals = field(default_factory=Originals)
    before: Volume | None = None


def write_series(  # noqa: PLR0913 - a variant, what it was made from, and where it goes
    variant: Volume,
    changed: Mask,
    *,
    source: Volume,
    provenance: Provenance,
    folder: Path,
    style: Style = DEFAULT,
    originals: Originals | None = None,
    before: Volume | None = None,
) -> tuple[Written, ...]:
    """Write the derived series, one file for each of the source's, in order along the slice normal.

    Each file starts from the source's own bytes, read again and checked by digest; only pixels in ``changed`` are
    overwritten. A file takes its name after it was flushed, read back and compared; flushing ``folder`` itself
    belongs to the run's commit. Same inputs, same bytes. A slice without a changed pixel is carried over and says so.
    From an Enhanced object comes one that holds the frames of ``source``, in slice order.

    Args:
        variant: the values to write, on the source's grid.
        changed: (slices, rows, columns), True where ``variant`` holds generated voxels.
        source: the volume that ``variant`` was made from.
        provenance: what the headers say about it; new UIDs come from it.
        folder: made when missing; its files are ``0001.dcm`` and up.
        style: what the profile chose.
        originals: what is kept of the source between its variants.
        before: the moved source that ``variant`` was laid over; None for the source itself.

    Returns:
        The files: one per slice, or one per Enhanced object, with the digests of what was read back.

    Raises:
        WriteError: the source changed, or the result would be untrue or invalid. No file is left half written; files of
            earlier slices stay, so write into a folder that is dropped on failure.
        ReadError: the source can't be decoded any more.
        OutputError: the disk is full, read-only or failing.
    """
    check_change(variant, changed, before or source)
    policy = _Policy(provenance, style, originals or Originals(), before)
    with disk_errors("the folder of an image"):
        folder.mkdir(parents=True, exist_ok=True)
    files = []
    for position, slices in enumerate(_by_file(source)):
        path = folder / f"{position + 1:04d}.dcm"
        ds, expected = _derived(slices, position, variant, changed, source, policy)
        with _header_errors(position), quiet():  # the source's illegal values are copied; `values.put` checked ours
            buffer = BytesIO()
            dcmwrite(buffer, ds, enforce_file_format=True)
        files.append(_place(ds, buffer.getvalue(), expected, path, policy))
    return tuple(files)


def write_capture(
    variant: Volume,
    changed: Mask,
    *,
    source: Volume,
    provenance: Provenance,
    folder: Path,
    style: Style = DEFAULT,
    before: Volume | None = None,
) -> Written:
    """Write a picture's variant as a Secondary Capture; arguments and errors as for `write_series`.

    It names no source image: the picture has no instance that a reference could lead to.
    """
    check_change(variant, changed, before or source)
    policy = _Policy(provenance, style)
    with disk_errors("the folder of an image"):
        folder.mkdir(parents=True, exist_ok=True)
    stored = overwritten((before or source).stored[0], variant.stored[0], changed[0])
    with _header_errors(0):
        ds = captured(source.source, stored, np.asarray(stored != source.stored[0]), provenance)
    ds.preamble = b"\0" * 128
    ds.file_meta = _file_meta(ds)
    encode(ds, stored, style.syntax)
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return _place(ds, buffer.getvalue(), stored, folder / "0001.dcm", policy)


def captured(source: SourceRef, stored: Stored, touched: Mask, provenance: Provenance) -> Dataset:
    """The header of a picture's variant.

    Args:
        source: of the picture.
        stored: (rows, columns), what the variant stores.
        touched: (rows, columns), True where that isn't the picture's.
        provenance: what the header says of it.

    Raises:
        ValueError: a value is illegal for its representation.
    """
    ds = picture(source, stored)
    facts = Facts(ds, ds.file_meta.TransferSyntaxUID, stored, 0, not bool(np.any(touched)), provenance)
    derive(facts, touched, keep_private=False, equipment="standard")
    del ds.SourceImageSequence
    return ds


def _by_file(source: Volume) -> tuple[list[int], ...]:
    """The slices of each file, in slice order; files in the order of their first slice."""
    slices: dict[Path, list[int]] = {}
    for k, path in enumerate(source.source.files):
        slices.setdefault(path, []).append(k)
    return tuple(slices.values())


def _derived(
    slices: list[int], position: int, variant: Volume, changed: Mask, source: Volume, policy: _Policy
) -> tuple[Dataset, Stored]:
    """The instance of these slices and what it must store: (rows, columns), with frames first or samples last."""
    ds = policy.originals.dataset(source, slices)
    syntax, frames = ds.file_meta.TransferSyntaxUID, frames_of(ds, source, slices)
    settle(ds)
    which = list(slices) if frames else slices[0]
    start = policy.before or source
    original, generated = (samples_of(volume, slices, frames) for volume in (start, variant))
    stored = overwritten(original, generated, changed[which])
    check_fits(ds, stored)
    touched = changed[which] if start is source else changed[which] | (start.stored[which] != source.stored[which])
    facts = Facts(ds, syntax, stored, position, not bool(touched.any()), policy.provenance, frames)
    with _header_errors(slices[0]), quiet():
        derive(facts, touched, keep_private=policy.style.keep_private, equipment=policy.style.equipment)
        _check_words(ds, syntax == ExplicitVRBigEndian)
    ds.preamble = b"\0" * 128  # a source's preamble may be a program's (MZ) or a TIFF header: never passed on
    ds.file_meta = _file_meta(ds)
    encode(ds, stored, policy.style.syntax)
    return ds, stored


def _file_meta(ds: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _check_words(ds: Dataset, big_endian: bool) -> None:
    """Refuse what pydicom would write in the wrong byte order: it swaps numbers, but no words (OW and the like)."""
    if not big_endian:
        return
    words = [e for e in ds.iterall() if e.VR in ("OW", "OF", "OD", "OL", "OV", "UN") and e.keyword != "PixelData"]
    if words:
        raise WriteError(
            f"source instance is big endian and holds {len(words)} look-up tables or overlays in words; "
            "convert the series to little endian first",
            code="big-endian-words",
        )


@contextmanager
def _header_errors(k: int) -> Iterator[None]:
    """Turn what pydicom raises over a source's odd values into a code; its text may quote them, so it stays out."""
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        raise WriteError(
            f"slice {k + 1}: its header can't be carried over ({type(error).__name__}); repair or leave out the series",
            code="header",
        ) from error


def _place(ds: Dataset, data: bytes, expected: Stored, path: Path, policy: _Policy) -> Written:
    with disk_errors(path.name, errno.ENOENT), replacing(path) as passing:
        passing.write_bytes(data)
        read, pixels = _compare(passing, data, ds, expected, policy)
    digest = pixels_digest(pixels if is_enhanced(ds) else pixels[None])
    return Written(path, read.sha256, digest, str(read.dataset.SOPInstanceUID))


def _compare(part: Path, written: bytes, ds: Dataset, expected: Stored, policy: _Policy) -> tuple[Instance, Stored]:
    """Check what is on the disk: its bytes, then its pixels and every attribute of the table as a reader sees them."""
    try:
        on_disk = read_plain(part, MAX_FILE)
        read = parsed(on_disk)
        pixels = decoded(read, range(len(expected)) if is_enhanced(ds) else ())
    except ReadError as error:
        raise WriteError(f"the written file can't be read back ({error.code}); check the disk", code=_BAD) from error
    again, meta = read.dataset, read.dataset.file_meta
    table = rows(policy.style.equipment, enhanced=is_enhanced(ds))
    with quiet():
        wrong = [row.keyword for row in table if again.get(row.keyword) != ds.get(row.keyword)]
    wrong += [row.keyword for row in table if row.rule == "drop" and row.keyword in again]
    syntax = CODECS[policy.style.syntax].syntax
    named = meta.MediaStorageSOPInstanceUID == again.SOPInstanceUID and meta.TransferSyntaxUID == syntax
    same = on_disk == written and np.array_equal(pixels, expected)
    if not same or wrong or not named:
        raise WriteError(
            f"{len(written)} bytes read back: {'equal' if same else 'other'} bytes or pixels, file meta "
            f"{'right' if named else 'wrong'}, attributes that differ: {', '.join(wrong) or 'none'}; check the disk",
            code=_BAD,
        )
    return read, pixels
