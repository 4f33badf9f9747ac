"""How the lists name source files: plan.json's ``sources``, so that lists and records can be joined with real data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medaug.audit.layout import PLAN
from medaug.audit.record import Record
from medaug.audit.recorded_source import RecordedSource
from medaug.storage.disk_map import DiskMap
from medaug.storage.json_stream import array_items


@dataclass(frozen=True)
class NamedSource:
    """One source of a plan.

    Attributes:
        key: the source key.
        names: of its files relative to INPUT, POSIX, each once in slice order; keyed unless plain ones were asked for.
        image: where MONAI's readers find the real image, relative to OUTPUT; ``""`` where the list isn't to hold it.
    """

    key: str
    names: tuple[str, ...]
    image: str = ""

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {"key": self.key, "names": list(self.names)} | ({"image": self.image} if self.image else {})


Sources = DiskMap[NamedSource]
DONOR = ("donor", "donor_patient", "donor_series_uid", "donor_sha256", "donor_name")


def read_sources(root: Path) -> Sources:
    """The sources that plan.json names, by their keys; none where an older medaug wrote it.

    Raises:
        OSError: it can't be read.
        ValueError: it isn't such a file; likewise KeyError and TypeError.
    """
    names: Sources = DiskMap()
    try:
        for item in array_items(root / PLAN, "sources"):
            names[item["key"]] = NamedSource(item["key"], tuple(item["names"]), item.get("image", ""))
    except ValueError as error:
        if "isn't there" not in str(error):
            raise
    return names


def donor_of(record: Record, sources: Sources) -> dict[str, str]:
    """What an item of a list says of the donor whose lesion was set in, so that neither patient is overlooked."""
    if record.transplant is None:
        return {}
    donor = record.transplant.donor
    named = origin(donor, sources.get(donor.key))
    said = donor.key, donor.patient, donor.series_uid, named["source_sha256"], named["source_name"]
    return dict(zip(DONOR, said, strict=True))


def origin(source: RecordedSource, named: NamedSource | None, k: int = 0) -> dict[str, str]:
    """What an item of a list says of slice ``k``'s file: its digest, and its name where plan.json has one."""
    files = {sha256: n for n, sha256 in enumerate(dict.fromkeys(source.sha256))}
    place = files[source.sha256[k]]
    names = named.names if named else ()
    return {
        "source_sha256": source.sha256[k],
        "source_name": names[place] if place < len(names) else "",
    }
