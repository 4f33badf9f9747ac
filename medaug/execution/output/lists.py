"""plan.json and the lists: what OUTPUT is for, and the manifests and the page that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from medaug.audit.crate import write_crate
from medaug.audit.layout import PLAN
from medaug.audit.ledger import Records
from medaug.audit.listed import Choice
from medaug.audit.record_order import Ordered
from medaug.audit.seal import seal
from medaug.audit.source_names import Sources, read_sources
from medaug.errors import OutputError
from medaug.execution.output.store import Store
from medaug.execution.planning.naming import Naming
from medaug.execution.planning.sources import Skip
from medaug.execution.planning.units import Unit
from medaug.manifests.croissant import write_croissant
from medaug.manifests.table import MANIFESTS
from medaug.report.page import write_page
from medaug.storage.atomic import disk_errors
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import DiskMap, Reiterable
from medaug.storage.json_stream import array_items


@dataclass(frozen=True)
class Listing:
    """What OUTPUT is to hold when all is done; plan.json.

    Attributes:
        units: keys, sorted, on disk.
        skips: sources that are left out.
        sources: how the lists name them, on disk.
        unkeyed: the names are still those of INPUT's files and may not be written so.
    """

    units: DiskMap[None]
    skips: tuple[Skip, ...]
    sources: Sources = field(default_factory=DiskMap)
    unkeyed: bool = False

    def keyed(self, key: Callable[[str], str]) -> Listing:
        """With ``key`` of each name in place of it, where that is still to be done."""
        if not self.unkeyed:
            return self
        named = (replace(source, names=tuple(map(key, source.names))) for source in self.sources.values())
        return replace(self, sources=DiskMap((source.key, source) for source in named), unkeyed=False)

    def to_json(self) -> Iterator[bytes]:
        """Canonical JSON and a line break, in blocks."""
        skips = [
            {"code": s.code, "files": s.files, "reason": s.reason, "refused": s.refused, "series_uid": s.series_uid}
            for s in self.skips
        ]
        assert not self.unkeyed
        sources = Reiterable(lambda: (source.plain for source in self.sources.values()))
        return document({"skips": skips, "sources": sources, "units": Reiterable(lambda: iter(self.units))})


def listing_of(units: Iterable[Unit], skips: tuple[Skip, ...] = (), naming: Naming | None = None) -> Listing:
    """What plan.json holds of a plan; without ``naming`` it names no source."""
    keys: DiskMap[None] = DiskMap()
    sources: Sources = DiskMap()
    for unit in units:
        keys[unit.recipe.id] = None
        for reference in (unit.reference, *([unit.donor.reference] if unit.donor else [])):
            if naming and reference.key not in sources:
                sources[reference.key] = naming.named(reference)
    return Listing(keys, skips, sources, unkeyed=naming is not None and not naming.plain)


def read_listing(root: Path) -> Listing:
    """The plan that OUTPUT is for.

    Raises:
        OutputError: plan.json is missing or malformed.
    """
    try:
        return Listing(
            DiskMap.of(map(str, array_items(root / PLAN, "units"))),
            tuple(Skip(**skip) for skip in array_items(root / PLAN, "skips")),
            read_sources(root),
        )
    except FileNotFoundError:
        raise OutputError(f"OUTPUT: {PLAN} is missing; restore it, or give a new folder") from None
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"OUTPUT: {PLAN} is not readable ({type(error).__name__}); restore it, or give a new folder"
        ) from None


def write_lists(store: Store) -> Records:
    """Write the manifests, the page, the crate and the seal for what is there of the plan; an interrupted run's too.

    Returns:
        The decisive records of all units in OUTPUT, those that the plan doesn't hold included.

    Raises:
        OutputError: the disk didn't take it.
    """
    with disk_errors("the lists"), store.alone():
        store.relog(store.look())
        listing, records = read_listing(store.root), store.records()
        listed = Ordered.of(
            record
            for record in Choice.of(store.root).through(records)
            if record.unit in listing.units and (record.status != "written" or store.holds(record.unit))
        )
        for manifest in MANIFESTS:
            manifest.write(listed, store.root, listing.sources)
        write_croissant(listed, store.root)
        write_page(listed, store.root, skipped=_by_reason(listing.skips))
        write_crate(listed, store.root)
        seal(store.root, records=records)
    return records


def _by_reason(skips: Iterable[Skip]) -> list[tuple[str, str, int]]:
    """(code, reason, files), equal reasons of several series together."""
    files: Counter[tuple[str, str]] = Counter()
    for skip in skips:
        files[skip.code, skip.reason] += skip.files
    return [(code, reason, count) for (code, reason), count in sorted(files.items())]
