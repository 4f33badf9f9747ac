"""What archives answer, in either protocol: matches, and statuses of the Storage Service Class."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.errors import ArchiveError, ReadError
from medaug.pacs.archive import InstanceFound, SeriesFound

OUT_OF_RESOURCES = 0xA700  # to A7FF


def series_found(study: str, ds: Dataset) -> SeriesFound:
    """A match on the level of series; raises as `uid_of`."""
    return SeriesFound(study, uid_of(ds, "SeriesInstanceUID"), _term(ds, "Modality"), _term(ds, "BodyPartExamined"))


def series_fitting(study: str, description: str, ds: Dataset) -> SeriesFound | None:
    """A match on the level of series, or None where another description is stated than the one wanted, if any.

    It isn't asked for as a key: archives need not support it (PS3.18 table 10.6.1-5, PS3.4 table C.6-3), and some then
    find nothing. Raises as `uid_of`.
    """
    stated = _term(ds, "SeriesDescription")
    return series_found(study, ds) if not description or not stated or stated == description else None


def instance_found(series: SeriesFound, ds: Dataset) -> InstanceFound:
    """A match on the level of instances; raises as `uid_of`."""
    sop_class = uid_of(ds, "SOPClassUID") if ds.get("SOPClassUID") else ""
    return InstanceFound(series.study, series.series, uid_of(ds, "SOPInstanceUID"), sop_class)


def uid_of(ds: Dataset, keyword: str) -> str:
    """A UID of a match.

    Raises:
        ArchiveError: ``archive-answer``: there is none, or it is no UID; it would stand in requests and messages.
    """
    try:
        return fields.uid(ds, keyword)
    except ReadError as error:
        raise ArchiveError(f"the archive's answer: {error}", code="archive-answer") from None


def failure(reason: int) -> ArchiveError:
    """What a failure reason or status of the Storage Service Class means."""
    if reason & 0xFF00 == OUT_OF_RESOURCES:
        return ArchiveError(
            f"the archive has no room (status {reason:04X}); make room there, then give the same command again: it "
            "continues",
            code="archive-full",
        )
    return ArchiveError(
        f"the archive refuses the instance (status {reason:04X}); ask those who run it", code="archive-refused"
    )


def _term(ds: Dataset, keyword: str) -> str:
    try:
        return fields.text(ds, keyword)
    except ReadError:
        return ""
