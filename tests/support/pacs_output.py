"""An OUTPUT of two DICOM variants with their evidence and one of another format, written without a run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from medaug.audit import decisions, ledger
from medaug.audit.decisions import Decision
from medaug.audit.layout import FORMAT, LEDGER, PRIVATE, PROFILE, declaration, unit_folder
from medaug.audit.record import Output, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.audit.stored_pixels import decoded
from medaug.dicom.evidence.report import write_report
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.read.parse import instance
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Volume
from tests.support.dicom_derived import PROVENANCE, written
from tests.support.evidence_series import derived
from tests.support.records import digest, record

CREATED = "2026-01-02T03:04:05+00:00"


def build(folder: Path) -> Path:
    """OUTPUT in ``folder``/out; its sources in ``folder``/CR/in and ``folder``/CT/in."""
    output = folder / "out"
    for kind in ("CR", "CT"):
        ledger.append(output / LEDGER, "w", _unit(kind, folder, output), 1.0)
    path = f"{unit_folder(digest('unit', 'nifti'))}/image.nii.gz"
    other = replace(record("nifti"), outputs=(Output(path, digest("a"), digest("b")),))
    ledger.append(output / LEDGER, "w", other, 1.0)
    (output / PRIVATE).mkdir(0o700)
    (output / FORMAT).write_bytes(declaration(CREATED, "run"))
    (output / PROFILE).write_text("{}\n")  # no rules about the lists
    return output


def reject(output: Path, unit: str) -> None:
    """Let a reader reject a variant."""
    word = Decision(unit, "rejected", "Ada", "anatomy", digest("seen"), CREATED, "command")
    decisions.log(output / LEDGER, "decisions-w", [word])


def _unit(kind: str, folder: Path, output: Path) -> Record:
    made = derived(kind, folder / kind)
    unit = digest("unit", kind)
    provenance = replace(PROVENANCE, unit=unit)
    place = output / unit_folder(unit)
    (place / "image").mkdir(parents=True)
    (place / "evidence").mkdir()
    files = written(made.source, place / "image", provenance=provenance)
    regions, boxes = place / "evidence" / "regions.dcm", place / "evidence" / "boxes.dcm"
    write_segmentation(files, made.masks, provenance=provenance, path=regions)
    write_report(files, made.boxes, provenance=provenance, path=boxes)
    outputs = (*(_output(output, path, image=True) for path in files), _output(output, regions), _output(output, boxes))
    return replace(record(kind), unit=unit, source=_source(made.source), outputs=outputs, boxes=made.boxes)


def _source(volume: Volume) -> RecordedSource:
    return RecordedSource.of(volume.source, digest("patient")[:16])


def _output(output: Path, path: Path, *, image: bool = False) -> Output:
    read = instance(path)
    pixels = pixels_digest(decoded(read)) if image else ""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Output(path.relative_to(output).as_posix(), sha256, pixels, str(read.dataset.SOPInstanceUID))
