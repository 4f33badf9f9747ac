"""Records in the order in which every list has them: by source, variant and unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from medaug.audit.listed import LEFT_OUT
from medaug.audit.record import PriorRef, Record, RecordStatus
from medaug.formats.registry import FORMATS
from medaug.imaging.boxes import Box, Coded, code_of_each, coded
from medaug.storage.disk_map import DiskMap, Reiterable

DIGITS = 12  # of a variant's number in a key


@dataclass
class Tally:
    """What records come to together, from one look at each; but for statuses and checks, of written ones.

    Attributes:
        statuses: status → records.
        left_out: of the rejected ones, those that were written and that lists leave out (`listed.LEFT_OUT`).
        checks: names of the checks that were made.
        kinds: modality, or what the file is where none is stated → records.
        sources: how many sources.
        patients: how many patients.
        boxes: how many boxes, each time that they were written.
        labelled: how many boxes, once for each source.
        priors: the weights.
        versions: (package, version).
        classes: label → its codes.
        copies: how many are classic copies, of which nothing was generated: of one run all or none.
    """

    statuses: Counter[RecordStatus] = field(default_factory=Counter)
    left_out: int = 0
    checks: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: int = 0
    patients: int = 0
    boxes: int = 0
    labelled: int = 0
    priors: set[PriorRef] = field(default_factory=set)
    versions: set[tuple[str, str]] = field(default_factory=set)
    classes: Coded = field(default_factory=dict)
    copies: int = 0


@dataclass(frozen=True, eq=False)
class Ordered(Collection[Record]):
    """Records on disk, by source, variant and unit; may be iterated again and again, one is in memory at a time."""

    by_key: DiskMap[Record]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Ordered:
        """Records in any order, a unit once; those that are ordered already are given back."""
        if isinstance(records, Ordered):
            return records
        return cls(DiskMap((f"{r.source.key} {r.variant:0{DIGITS}} {r.unit}", r) for r in records))

    def __len__(self) -> int:
        return len(self.by_key)

    def __iter__(self) -> Iterator[Record]:
        return self.by_key.values()

    def __contains__(self, record: object) -> bool:
        return any(record == other for other in self)

    @property
    def written(self) -> Reiterable[Record]:
        """Those of written units."""
        return Reiterable(
            lambda: (record for record in self if record.status == "written"), lambda: self.tally.statuses["written"]
        )

    @property
    def labels(self) -> list[str]:
        """The classes of written units, sorted."""
        return sorted(self.tally.classes)

    @property
    def codes(self) -> dict[str, Any]:
        """Label → the codes of its boxes in written units, as JSON data, without labels that have none."""
        return code_of_each(self.tally.classes)

    @cached_property
    def tally(self) -> Tally:
        """Worked out once."""
        counts, patients = Tally(), DiskMap[None]()
        for _, group in groupby(self, key=lambda record: record.source.key):
            boxes: set[Box] = set()
            before = counts.kinds.total()
            for record in group:
                counts.statuses[record.status] += 1
                counts.left_out += record.code in LEFT_OUT
                counts.checks.update(check.name for check in record.checks)
                if record.status == "written":
                    for source in record.shown:
                        patients[source.patient] = None
                    boxes.update(record.source_boxes)
                    _count(counts, record)
            counts.labelled += len(boxes)
            counts.sources += counts.kinds.total() > before
        counts.patients = len(patients)
        return counts


def _count(found: Tally, record: Record) -> None:
    found.kinds[kind_of(record)] += 1
    found.boxes += len(record.boxes)
    found.copies += record.kind == "classic"
    found.priors.update([record.prior] if record.prior else [])
    found.versions.update(record.versions.items())
    coded(record.boxes, found.classes)


def kind_of(record: Record) -> str:
    """The source's modality, or where it states none the format of the variant; ``image`` where there is no file."""
    path = record.images[0].path if record.images else ""
    return record.source.modality or next((f.title for f in FORMATS.values() if path.endswith(f.suffix)), "image")
