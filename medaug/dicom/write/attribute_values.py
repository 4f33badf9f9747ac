"""The values that a derived instance holds instead of its source's; the table in `attributes` says where each goes.

Every function takes the facts of one slice and returns one value, or None to leave what the source has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom import config, datadict
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from medaug.dicom.uids import instance_uid, series_uid
from medaug.dicom.write.provenance import Provenance
from medaug.imaging.boxes import OWN_SCHEME

Equipment = Literal["standard", "simulate"]
Value = Callable[["Facts"], object]
PRIVATE_SCHEME = OWN_SCHEME
# Syntaxes that may lose detail, and the term of (0028,2114) for each (PS3.3 C.7.6.1.1.5.1).
# 4.91, 4.93 and 4.203 can also hold a lossless stream; they don't promise it, so they count as lossy.
LOSSY = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",  # JPEG extended
    "1.2.840.10008.1.2.4.53": "ISO_10918_1",  # JPEG spectral selection, retired
    "1.2.840.10008.1.2.4.55": "ISO_10918_1",  # JPEG full progression, retired
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",  # JPEG 2000
    "1.2.840.10008.1.2.4.93": "ISO_15444_2",  # JPEG 2000 part 2
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",  # high-throughput JPEG 2000
}


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known about one slice before its header is made.

    Attributes:
        source: the source instance as read, not yet changed.
        syntax: its transfer syntax.
        stored: (rows, columns), or (frames, rows, columns) of an Enhanced source; the derived stored values.
        position: index of the instance in its series, from 0: along the normal.
        carried_over: True when no pixel of the slice changes.
        provenance: of the unit.
        frames: of an Enhanced source: its 0-based frames that the derived instance holds, in order; else empty.
    """

    source: Dataset
    syntax: UID
    stored: npt.NDArray[np.generic]
    position: int
    carried_over: bool
    provenance: Provenance
    frames: tuple[int, ...] = ()

    @property
    def created(self) -> datetime:
        """When the unit was computed, in the time zone of the source's own times."""
        return local_time(self.provenance.created, self.source)


def local_time(moment: datetime, ds: Dataset) -> datetime:
    """``moment`` in the time zone that the times of ``ds`` are in (0008,0201), else in UTC."""
    offset = re.fullmatch(r"([+-])(\d\d)(\d\d)", str(ds.get("TimezoneOffsetFromUTC", "+0000")).strip())
    sign, hours, minutes = offset.groups() if offset else ("+", "00", "00")
    span = timedelta(hours=int(hours), minutes=int(minutes))
    return moment.astimezone(timezone(-span if sign == "-" else span))


def put(ds: Dataset, keyword: str, value: object) -> None:
    """Set an attribute by keyword.

    Raises:
        ValueError: the value is not legal for its value representation (pydicom by itself only warns).
    """
    tag = datadict.tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = datadict.dictionary_VR(tag)
    if vr == "US or SS":
        vr = "SS" if ds.PixelRepresentation else "US"
    ds[tag] = DataElement(tag, vr, value, validation_mode=config.RAISE)


def item(**values: object) -> Dataset:
    """A sequence item from keywords."""
    made = Dataset()
    for keyword, value in values.items():
        put(made, keyword, value)
    return made


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    """A code sequence of one item (PS3.3 table 8.8-1)."""
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def sop_instance_uid(facts: Facts) -> str:
    """From the run, the unit, the source instance and the variant."""
    ours = facts.provenance
    return instance_uid(ours.run, ours.unit, str(facts.source.SOPInstanceUID), ours.variant)


def series_instance_uid(facts: Facts) -> str:
    """From the run and the unit."""
    return series_uid(facts.provenance.run, facts.provenance.unit)


def series_number(facts: Facts) -> int:
    """Next to the source's in a sorted list: series 5, variant 2 becomes 5003. Cut to what IS can hold."""
    number = 0
    with suppress(ValueError, TypeError):  # absent, or no number
        number = abs(int(facts.source.get("SeriesNumber") or 0))
    return (number * 1000 + facts.provenance.variant + 1) % 2**31


def series_description(facts: Facts) -> str:
    """No word of the source's description: people type names into it."""
    return facts.provenance.title


def synthetic_data(facts: Facts) -> str:
    """YES, carried-over slices included, since the series is; a classic copy is as synthetic as its source says."""
    if facts.provenance.generated or facts.source.get("SyntheticData") == "YES":
        return "YES"
    return "NO"


def spacing(keyword: str) -> Value:
    """How large pixels are, by the attribute that says it."""

    def of(facts: Facts) -> list[str] | None:
        """As the source says; of a classic copy over its scale, so that it shows as many mm as its source."""
        scale, stated = facts.provenance.scale, facts.source.get(keyword)
        if scale == 1 or not stated:
            return None
        return [f"{float(step) / scale:.10g}" for step in stated]

    return of


def instance_number(facts: Facts) -> int:
    """Rises along the slice normal, from 1."""
    return facts.position + 1


def date(facts: Facts) -> str:
    """Date of `created`, in the time zone of the source's times."""
    return facts.created.strftime("%Y%m%d")


def time(facts: Facts) -> str:
    """Time of `created`, likewise."""
    return facts.created.strftime("%H%M%S")


def image_type(facts: Facts) -> list[str]:
    """DERIVED, SECONDARY, and values 3 and up as they are (DX keeps an empty value 3)."""
    present = facts.source.get("ImageType") or []
    values = [present] if isinstance(present, str) else [str(value) for value in present]
    return ["DERIVED", "SECONDARY", *values[2:]]


def derivation_description(facts: Facts) -> str:
    """What the source says, then what medaug did; the source's words are cut when both don't fit 1024 characters."""
    ours = what_was_done(facts, carried_over=facts.carried_over)
    theirs = str(facts.source.get("DerivationDescription") or "").strip()
    room = 1024 - len(ours) - len("; ")
    if len(theirs) > room:
        theirs = theirs[: room - len(" [...]")] + " [...]"
    return f"{theirs}; {ours}" if theirs else ours


def what_was_done(facts: Facts, *, carried_over: bool) -> str:
    """One sentence about a slice, or about an instance."""
    what = "carried over unchanged into a synthetic series" if carried_over else "pixels generated in part"
    what = what if facts.provenance.generated else "pixels resampled, none generated,"
    return f"{what} by {facts.provenance.statement}"


def derivation_code(facts: Facts) -> list[Dataset]:
    """CID 7203 has no code for inpainting, so a private one; a slice without a generated pixel has its own."""
    said = facts.provenance
    before = code("113085", "DCM", "Spatial resampling") if said.moved else []
    if said.set_in:
        before = code("TRANSPLANT", PRIVATE_SCHEME, "Labelled lesion of another image set in")
    if not said.generated:
        return [*before, *code("CLASSIC", PRIVATE_SCHEME, "Classic copy, no pixel generated")]
    return [*before, *what_was_done_code(carried_over=facts.carried_over, alone=said.boxes_alone)]


def what_was_done_code(*, carried_over: bool, alone: bool) -> list[Dataset]:
    """The private code of `derivation_code`."""
    if carried_over:
        return code("CARRIED", PRIVATE_SCHEME, "Slice carried over unchanged into a synthetic series")
    within = code("GENERATED-LABEL", PRIVATE_SCHEME, "Pixels in labelled boxes generated") if alone else []
    return [*within, *code("GENERATED", PRIVATE_SCHEME, "Pixels generated outside protected regions")]


def source_image(facts: Facts) -> list[Dataset]:
    """The direct sources only, the host before its donor; what they were derived from is in their own headers."""
    own, donor = (str(facts.source.SOPClassUID), str(facts.source.SOPInstanceUID)), facts.provenance.donor
    stays = "NO" if facts.provenance.moved else "YES"
    return [_source_item(own, stays), *([_source_item(donor, "NO")] if donor else [])]


def _source_item(instance: tuple[str, str], stays: str) -> Dataset:
    return item(
        ReferencedSOPClassUID=instance[0],
        ReferencedSOPInstanceUID=instance[1],
        PurposeOfReferenceCodeSequence=source_purpose(),
        SpatialLocationsPreserved=stays,
    )


def source_purpose() -> list[Dataset]:
    """Why the source is referred to (CID 7202)."""
    return code("121322", "DCM", "Source image for image processing operation")


def enhanced_image_type(facts: Facts) -> list[str]:
    """DERIVED, PRIMARY, and values 3 and up as they are: an Enhanced image is never SECONDARY."""
    return ["DERIVED", "PRIMARY", *image_type(facts)[2:]]


def source_evidence(facts: Facts) -> list[Dataset]:
    """The study and series of the source that the frames refer to."""
    source = facts.source
    instance = item(ReferencedSOPClassUID=str(source.SOPClassUID), ReferencedSOPInstanceUID=str(source.SOPInstanceUID))
    series = item(SeriesInstanceUID=str(source.SeriesInstanceUID), ReferencedSOPSequence=[instance])
    return [item(StudyInstanceUID=str(source.StudyInstanceUID), ReferencedSeriesSequence=[series])]


def number_of_frames(facts: Facts) -> int:
    """The frames of the unit."""
    return len(facts.frames)


def device_serial_number(facts: Facts) -> str:
    """Of type 1 here, and medaug has none: the first 16 digits of the unit's key."""
    return facts.provenance.unit[:16]


def contributing_equipment(facts: Facts) -> list[Dataset]:
    """The scanner, unless the source lists it already, and medaug. No institution, station, serial number, operator."""
    synthesized = facts.provenance.generated
    made = item(
        PurposeOfReferenceCodeSequence=code("109100", "DCM", "Synthesizing Equipment")
        if synthesized
        else code("109102", "DCM", "Processing Equipment"),
        Manufacturer="medaug",
        ManufacturerModelName="medaug",
        SoftwareVersions=software_versions(facts),
        ContributionDateTime=facts.created.strftime("%Y%m%d%H%M%S%z"),
        ContributionDescription=f"variant {facts.provenance.variant}; unit {facts.provenance.unit}",
    )
    return [*_scanner(facts.source), made]


def software_versions(facts: Facts) -> str:
    """Version of medaug."""
    return facts.provenance.software_version


def smallest(facts: Facts) -> int | None:
    """Of all pixels, padding included, where the source states one."""
    return int(facts.stored.min()) if "SmallestImagePixelValue" in facts.source else None


def largest(facts: Facts) -> int | None:
    """Of all pixels, padding included, where the source states one."""
    return int(facts.stored.max()) if "LargestImagePixelValue" in facts.source else None


def lossy(facts: Facts) -> str | None:
    """01 when the source's encoding may have lost detail; otherwise as the source says, never back to 00."""
    return "01" if facts.syntax in LOSSY else None


def lossy_method(facts: Facts) -> str | None:
    """The encoding's term where the source names none."""
    return LOSSY.get(facts.syntax) if _lossy_unstated(facts.source) else None


def lossy_ratio(facts: Facts) -> float | None:
    """Bytes before over bytes after, where the source states none."""
    if facts.syntax not in LOSSY or not _lossy_unstated(facts.source):
        return None
    frames = int(facts.source.get("NumberOfFrames") or 1)
    rows, columns = facts.stored.shape[-2:]
    before: int = frames * rows * columns * facts.stored.dtype.itemsize
    return round(before / len(facts.source.PixelData), 3)


def _lossy_unstated(source: Dataset) -> bool:
    # Method and ratio are lists of the same length: either both are the source's or both are ours.
    return not source.get("LossyImageCompressionMethod") and not source.get("LossyImageCompressionRatio")


def _scanner(source: Dataset) -> list[Dataset]:
    listed = source.get("ContributingEquipmentSequence") or []
    purposes = {c.get("CodeValue") for e in listed for c in e.get("PurposeOfReferenceCodeSequence") or []}
    if "109101" in purposes or not source.get("Manufacturer"):
        return []  # Manufacturer is type 1 in the sequence: without one there is nothing to state
    made = item(PurposeOfReferenceCodeSequence=code("109101", "DCM", "Acquisition Equipment"))
    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions"):
        if source.get(keyword):
            with suppress(ValueError):  # an illegal value stays where the source has it, and isn't repeated
                put(made, keyword, source[keyword].value)
    return [made] if "Manufacturer" in made else []
