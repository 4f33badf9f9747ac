"""Where a derived series comes from, in the words that go into its headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

MAX_TEXT = 640  # leaves a third of DerivationDescription (ST, 1024 characters) to what the source says


@dataclass(frozen=True)
class Provenance:
    """What the writer states about a unit of work. Nothing in here may come from the patient's data.

    Attributes:
        unit: the unit's key, 64 hex digits; new UIDs come from it.
        variant: the number of the variant.
        seed: the run's seed as text.
        summary: what was done, in one line: solver, steps, strength.
        software_version: of medaug.
        created: when the unit was computed, with a time zone; the run decides it (SOURCE_DATE_EPOCH).
        prior: name and digest of the prior; "" of a classic copy.
        run: the run's public name, 16 hex digits; new UIDs come from it and the unit.
        moved: how the source was moved before anything was generated; "" where it wasn't.
        donor: SOP class and instance UID of the image whose lesion was set in; None where none was.
        copied: it is a classic copy, of which nothing was generated.
        scale: of a classic copy, whose pixels are that much smaller than its source's; above 1 enlarges.
        set_in: what was set in, in one line; "" where nothing was.
        boxes_alone: the pixels in labelled boxes were generated, so that a label is kept by its box alone.
    """

    unit: str
    variant: int
    seed: str
    summary: str
    software_version: str
    created: datetime
    prior: str
    run: str
    moved: str = ""
    boxes_alone: bool = False
    donor: tuple[str, str] | None = None
    set_in: str = ""
    copied: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.unit):
            raise ValueError(f"provenance unit: expected 64 hex digits, got {len(self.unit)} characters")
        if not re.fullmatch(r"[0-9a-f]{16}", self.run):
            raise ValueError(f"provenance run: expected 16 hex digits, got {len(self.run)} characters")
        if self.variant < 0:
            raise ValueError(f"provenance variant: expected 0 or more, got {self.variant}")
        if self.created.tzinfo is None:
            raise ValueError("provenance created: expected a time with a time zone, got a naive one")
        for name in ("seed", "summary", "software_version", *(() if self.copied else ("prior",))):
            # A source may use any character set; only ASCII is the same in all of them, "\" separates values.
            if not re.fullmatch(r"[ -\[\]-~]+", getattr(self, name)):
                raise ValueError(f"provenance {name}: expected printable ASCII on one line without a backslash")
        for name in ("moved", "set_in"):
            if not re.fullmatch(r"[ -\[\]-~]*", getattr(self, name)):
                raise ValueError(f"provenance {name}: expected printable ASCII on one line without a backslash")
        if len(self.statement) > MAX_TEXT:
            raise ValueError(f"provenance: expected at most {MAX_TEXT} characters in all, got {len(self.statement)}")

    @property
    def generated(self) -> bool:
        """Whether any pixel of the unit may be; a classic copy holds the source's, resampled."""
        return not self.copied

    @property
    def title(self) -> str:
        """What begins the description of each of its series."""
        return f"SYNTHETIC medaug variant {self.variant}" if self.generated else f"CLASSIC COPY medaug {self.variant}"

    @property
    def statement(self) -> str:
        """The sentence of DerivationDescription."""
        moved = "".join(f"; {said}" for said in (self.moved, self.set_in) if said)
        alone = "; pixels in labelled boxes generated, labels kept by their boxes alone" if self.boxes_alone else ""
        prior = f"; prior {self.prior}" if self.generated else ""
        return (
            f"medaug {self.software_version}: {self.summary}{moved}{alone}{prior}; seed {self.seed}; "
            f"variant {self.variant}; unit {self.unit}"
        )
