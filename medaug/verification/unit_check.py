"""What is to be checked of a unit, and what was found of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.audit.record import Record
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Stored
from medaug.regions.laws import margin_voxels
from medaug.verification.derivation import Statement
from medaug.verification.encoded import Elements
from medaug.verification.faults import Fault
from medaug.verification.instance_headers import Slices


@dataclass(frozen=True)
class UnitCheck:
    """A unit to check.

    Attributes:
        root: OUTPUT.
        record: the ledger's.
        sources: the source's file for each slice, None where none has its digest; None where none was given.
        keeps_boxes: False where the law regenerates the boxes themselves.
        said: what all headers of the run are made by; None where that isn't known.
        donor: the file whose lesion was set in; None where none was, or none has its digest.
    """

    root: Path
    record: Record
    sources: tuple[Path | None, ...] | None
    keeps_boxes: bool
    said: Statement | None = None
    donor: Path | None = None


def grown(check: UnitCheck) -> tuple[Box, ...]:
    """The boxes with the profile's margin; without it where the profile can't be read."""
    record = check.record
    assert record.geometry is not None
    if check.said is None:
        return (*record.boxes, *_set_in(record))
    profile, geometry = check.said.profile, record.geometry.geometry
    margin = profile.regions.margin
    steps = margin_voxels(margin.value, margin.unit, geometry, profile.size)
    boxes = record.source_boxes if record.transplant else record.boxes
    return (*(box.grown(steps, geometry.shape) for box in boxes), *_set_in(record))


def _set_in(record: Record) -> tuple[Box, ...]:
    """The lesion with its margin, which is the donor's and may end at its border."""
    if record.transplant is None:
        return ()
    top, bottom, left, right = record.transplant.graft.place
    return (Box((0, top, left), (1, bottom, right), ""),)


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


@dataclass(frozen=True, eq=False)
class Image:
    """One image file as read: its values (frames, rows, columns[, 3]), its header if DICOM, the slices it holds."""

    stored: Stored
    dataset: Dataset | None
    slices: Slices
    raw: Elements = field(default_factory=dict)  # of its header, as it was read
