"""The image files of a unit, and what is recorded of each file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medaug.audit.layout import IMAGE
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Output
from medaug.audit.stored_pixels import decoded, image_digest
from medaug.augmentation.case import Variant
from medaug.dicom.evidence.templates import Templates
from medaug.dicom.read.parse import instance
from medaug.dicom.write.provenance import Provenance
from medaug.execution.worker.evidence_files import write_evidence
from medaug.formats.registry import FORMATS
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Volume
from medaug.profile.profile import Profile

if TYPE_CHECKING:
    from medaug.dicom.write.source_instances import Originals
    from medaug.dicom.write.written import Written


def write_image(
    variant: Variant,
    source: Volume,
    folder: Path,
    profile: Profile,
    provenance: Provenance,
    originals: Originals,
    templates: Templates,
) -> tuple[Written, ...]:
    """Write a variant in its source's format, ``image/0001.dcm``, ``image.nii.gz``, ``image.png`` …, and its evidence.

    Returns:
        The digests that are known from reading back, for `describe_output`.

    Raises:
        WriteError: the derived instance would not be valid, or the source changed.
    """
    from medaug.dicom.write.write import Style, write_capture, write_series

    kind, image = FORMATS.get(source.source.format), folder / IMAGE
    style = Style(profile.keep_private, profile.equipment, profile.output_syntax)
    written: tuple[Written, ...] = ()
    if kind is None:
        image.mkdir()
        written = write_series(
            variant.volume,
            variant.changed,
            source=source,
            provenance=provenance,
            folder=image,
            style=style,
            originals=originals,
            before=variant.before,
        )
    elif profile.pictures == "secondary-capture" and not kind.volumetric:
        image.mkdir()
        capture = write_capture(
            variant.volume,
            variant.changed,
            source=source,
            provenance=provenance,
            folder=image,
            style=style,
            before=variant.before,
        )
        written = (capture,)
    else:
        kind.write(variant.volume, folder / f"{IMAGE}{kind.suffix}", source.source.files[0], profile.generates)
    return (*written, *write_evidence(variant, folder, profile, provenance, templates))


def describe_output(staged: Path, final: str, written: Sequence[Written] = ()) -> tuple[Output, ...]:
    """Digests of every file of a staged unit, by the path it will have.

    Args:
        staged: the unit's staging folder.
        final: the unit's folder relative to OUTPUT, POSIX.
        written: files whose digests are known; the others are read.
    """
    known = {one.path: one for one in written}
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    return tuple(_described(path, f"{final}/{path.relative_to(staged).as_posix()}", known.get(path)) for path in files)


def _described(path: Path, name: str, known: Written | None) -> Output:
    if known is not None:
        return Output(name, known.sha256, known.pixels_sha256, known.sop_instance_uid)
    if path.suffix != ".dcm":
        pixels = image_digest(path) if path.name.startswith(f"{IMAGE}.") else ""
        return Output(name, sha256_of(path), pixels)
    read = instance(path)
    pixels = pixels_digest(decoded(read)) if path.parent.name == IMAGE else ""
    return Output(name, read.sha256, pixels, str(read.dataset.SOPInstanceUID))
