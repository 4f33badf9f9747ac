"""`medaug export`: the written variants as a data set of another program, in a folder outside OUTPUT."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medaug import assemble
from medaug.annotations.bounded import read_masks
from medaug.audit import ledger
from medaug.audit.layout import LEDGER, PROFILE
from medaug.audit.listed import Choice
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Record
from medaug.errors import ManifestError, OutputError, ReadError, SourceError, counted
from medaug.execution.output.lists import read_listing
from medaug.execution.planning.sources import collect, load_headers
from medaug.imaging.volume import Mask, Volume
from medaug.manifests import nnunet, yolo
from medaug.manifests.png_datasets import PictureForm, WrittenSlice, write_pictures
from medaug.manifests.rendering import Show
from medaug.manifests.splits import for_training
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile
from medaug.storage.atomic import disk_errors


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        images: how many.
        units: from how many variants.
        left_out: variants that are not in it, for want of a mask or of a place in training.
    """

    images: int
    units: int
    left_out: int


@dataclass(frozen=True)
class Request:
    """What to export.

    Attributes:
        output: OUTPUT.
        folder: the new folder, outside OUTPUT.
        parts: of the real images, by series; None when there is no table.
        leave_out: leave out variants whose patient isn't in training, instead of refusing.
    """

    output: Path
    folder: Path
    parts: Mapping[str, str] | None = None
    leave_out: bool = False


def to_yolo(request: Request) -> Exported:
    """Write a YOLO data set: PNG images and text labels of every labelled slice.

    Raises:
        ManifestError: the parts forbid it, or there is nothing to export.
        OutputError: OUTPUT isn't as its record says, or the folder can't be written.
    """
    records, total = _records(request)
    profile = load_profile(str(request.output / PROFILE))
    labels = sorted({box.label for record in records for box in record.boxes})
    images = 0
    with _folder(request) as folder:
        for record in records:
            images += yolo.write_yolo(folder, record, image_of(request.output, record), _show(profile), labels)
        yolo.write_yolo_index(folder, labels, generated=profile.generates)
    return Exported(images, len(records), total - len(records))


def to_pictures(request: Request, form: PictureForm) -> Exported:
    """Write pictures with their boxes in one list, for FiftyOne or for Hugging Face's `datasets`.

    Raises:
        ManifestError: the parts forbid it, or there is nothing to export.
        OutputError: OUTPUT isn't as its record says, or the folder can't be written.
    """
    records, total = _records(request)
    show = _show(load_profile(str(request.output / PROFILE)))
    labels = sorted({box.label for record in records for box in record.boxes})
    pictures: list[WrittenSlice] = []
    with _folder(request) as folder:
        for record in records:
            pictures += write_pictures(folder / form.folder, record, image_of(request.output, record), show)
        form.write(folder, pictures, labels)
    return Exported(len(pictures), len(records), total - len(records))


def to_nnunet(request: Request, source: Path, annotations: Sequence[Path]) -> Exported:
    """Write a data set in nnU-Net's layout, of the variants whose source is labelled with masks.

    Args:
        request: what to export.
        source: what OUTPUT was made from.
        annotations: what it was labelled with; formats with boxes only have no mask to give.

    Raises:
        ManifestError: the parts forbid it, no variant has a mask, or a mask contradicts the record.
        OutputError: OUTPUT isn't as its record says, or the folder can't be written.
        ReadError: there is no such source.
    """
    records, total = _records(request)
    profile = load_profile(str(request.output / PROFILE))
    masks = _masks(source, annotations, profile, {record.source.key for record in records})
    chosen = [record for record in records if masks.get(record.source.key)]
    if not chosen:
        raise ManifestError("nnunet: no variant's source has a mask (SEG or label map) among the annotations given")
    kind = nnunet.one_kind(chosen)
    labels = sorted({label for record in chosen for label in masks[record.source.key]})
    with _folder(request) as folder:
        for record in chosen:
            numbers = nnunet.label_map(record, masks[record.source.key], labels)
            nnunet.write_case(folder, record, image_of(request.output, record), numbers, _show(profile))
        nnunet.write_index(folder, kind, labels, len(chosen), generated=profile.generates)
    return Exported(len(chosen), len(chosen), total - len(chosen))


def image_of(output: Path, record: Record) -> Volume:
    """A written variant, after its files' digests were compared with the record.

    Raises:
        OutputError: a file is missing, changed, or can't be read.
    """
    changed = [image.path for image in record.images if sha256_of(output / image.path) != image.sha256]
    first = output / record.images[0].path
    try:
        if changed:
            raise OutputError(
                f"unit {record.unit[:16]}: not those of the record: {counted(len(changed), 'image')}; verify it"
            )
        if not first.name.endswith(".dcm"):
            from medaug.formats.registry import format_of

            kind = format_of(first)
            if kind is None:
                raise ReadError("its format is unknown", code="unreadable")
            return kind.read(first)
        from medaug.dicom.read.discover import discover
        from medaug.dicom.read.read import read_series

        (series,) = discover(first.parent).series
        (volume,) = read_series(series)
    except (SourceError, ValueError, OSError):
        raise OutputError(f"unit {record.unit[:16]}: its image can't be read as one volume; verify it") from None
    return volume


def _records(request: Request) -> tuple[tuple[Record, ...], int]:
    """The planned and written units that may be trained on, and how many are written in all."""
    wanted = read_listing(request.output).units
    known = Choice.of(request.output).through(ledger.shelved(request.output / LEDGER))
    records = [record for record in known if record.unit in wanted]
    total = sum(record.status == "written" for record in records)
    chosen = for_training(records, request.parts, leave_out=request.leave_out)
    if not chosen:
        raise ManifestError("export: OUTPUT has no written variant that may be trained on")
    return chosen, total


def _masks(
    source: Path, annotations: Sequence[Path], profile: Profile, wanted: set[str]
) -> Mapping[str, Mapping[str, Mask]]:
    """Source key → class → its mask. Equal classes of several files are joined."""
    collected = collect(source, profile, annotations)
    volumes: list[Volume] = []
    for handle in collected.sources:
        try:
            volumes += [volume for volume in load_headers(handle) if volume.source.key in wanted]
        except SourceError:
            continue  # what can't be read was not augmented either
    masks: dict[str, dict[str, Mask]] = defaultdict(dict)
    for path in annotations:
        for marked in read_masks(path, volumes, collected.files):
            before = masks[marked.key].get(marked.label)
            masks[marked.key][marked.label] = marked.mask if before is None else before | marked.mask
    return masks


def _show(profile: Profile) -> Show:
    return partial(assemble.window_of, profile)


@contextmanager
def _folder(request: Request) -> Iterator[Path]:
    """The new folder; it goes away again when the export fails."""
    if request.folder.exists():
        raise OutputError("export: the folder exists; give a new name, nothing is overwritten")
    if request.folder.resolve().is_relative_to(request.output.resolve()):
        raise OutputError("export: give a folder outside OUTPUT, where `medaug verify` allows only a run's files")
    with disk_errors("the export"):
        request.folder.mkdir(parents=True)
        try:
            yield request.folder
        except BaseException:
            shutil.rmtree(request.folder, ignore_errors=True)
            raise
