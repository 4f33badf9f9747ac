"""Where an archive keeps instances that it took and doesn't have under the UIDs that they were sent with.

An archive may coerce UIDs (PS3.4 B.4.1.4, status B000): those of the study, as one that reconciles with its orders, or
all of them, as a gateway that de-identifies. Nothing in its answer has to say so; content and description stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.read.parse import parsed
from medaug.errors import ArchiveError, ReadError
from medaug.pacs.archive import Archive, InstanceFound, Query, SeriesFound
from medaug.pacs.back_off import Patience
from medaug.pacs.sending.kept import content_digest

LOOKED = 64  # series of that description that are looked into, at most


@dataclass(frozen=True)
class Sought:
    """A series as it was sent.

    Attributes:
        series: its names.
        description: SeriesDescription (0008,103E), which medaug wrote.
        date: StudyDate (0008,0020); "" where there is none.
    """

    series: SeriesFound
    description: str
    date: str


def sought(ds: Dataset) -> Sought:
    """What an instance says of its series; raises `ReadError` where it names none."""
    names = fields.uid(ds, "StudyInstanceUID"), fields.uid(ds, "SeriesInstanceUID"), fields.text(ds, "Modality")
    return Sought(SeriesFound(*names), fields.text(ds, "SeriesDescription"), fields.text(ds, "StudyDate"))


def elsewhere(archive: Archive, what: Sought, digests: Mapping[str, str], asked: Patience) -> dict[str, InstanceFound]:
    """Look for instances by what they show.

    Series of the same modality and description are looked into, those of their study and then those of the same day.

    Args:
        archive: to ask.
        what: the series that was sent.
        digests: SOP Instance UID → `content_digest`.
        asked: asks with patience.

    Returns:
        SOP Instance UID as sent → where it lies; only what lies elsewhere, empty where nothing is found.

    Raises:
        ArchiveError: the archive doesn't answer.
    """
    by_content: dict[str, list[str]] = {}
    for uid, digest in digests.items():
        by_content.setdefault(digest, []).append(uid)
    found: dict[str, InstanceFound] = {}
    for series in islice(_candidates(archive, what, asked), LOOKED):
        found |= _matched(archive, series, by_content, asked)
        if len(found) == len(digests):
            break
    return {uid: one for uid, one in found.items() if one.instance != uid or not _is_same(one, what.series)}


def coerced(what: Sought, found: Mapping[str, InstanceFound], count: int) -> ArchiveError:
    """Say where they lie."""
    one = next(iter(found.values()))
    return ArchiveError(
        f"{len(found)} of {count} instances lie under other UIDs than they were sent with: series "
        f"{what.series.series} is series {one.series} of study {one.study} there, and what refers to them fails; ask "
        "those who run the archive, and remove them there. private/sent.jsonl has the UID of each",
        code="archive-uids",
    )


def _candidates(archive: Archive, what: Sought, asked: Patience) -> Iterator[SeriesFound]:
    by_kind = Query(modalities=(what.series.modality,), description=what.description)
    seen = set()
    for query in (replace(by_kind, studies=(what.series.study,)), replace(by_kind, dates=what.date)):
        for series in asked(lambda query=query: list(islice(archive.find_series(query), 16 * LOOKED))):  # type: ignore[misc]
            if series not in seen:
                seen.add(series)
                yield series


def _matched(
    archive: Archive, series: SeriesFound, by_content: Mapping[str, list[str]], asked: Patience
) -> dict[str, InstanceFound]:
    """One that shows something else ends it: the series is another one."""
    left = {digest: list(uids) for digest, uids in by_content.items()}
    found: dict[str, InstanceFound] = {}
    for one in asked(lambda: list(archive.find_instances(series))):
        try:
            uids = left.get(content_digest(parsed(asked(partial(archive.retrieve, one)))))
        except ReadError:
            return found
        if not uids:
            return found
        found[uids.pop(0)] = one
    return found


def _is_same(one: InstanceFound, series: SeriesFound) -> bool:
    return (one.study, one.series) == (series.study, series.series)
