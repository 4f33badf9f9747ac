"""plan.json and the lists: what OUTPUT is for, and the manifests and the page that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medaug.audit.crate import write_crate
from medaug.audit.layout import PLAN
from medaug.audit.ledger import Records
from medaug.audit.record_order import Ordered
from medaug.audit.seal import seal
from medaug.errors import OutputError
from medaug.execution.output.store import Store
from medaug.execution.planning.sources import Skip
from medaug.execution.planning.units import Unit
from medaug.manifests.coco import write_coco
from medaug.manifests.croissant import write_croissant
from medaug.manifests.monai import write_monai
from medaug.report.page import write_page
from medaug.storage.atomic import disk_errors
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import Again, Shelf
from medaug.storage.json_stream import array_items


@dataclass(frozen=True)
class Listing:
    """What OUTPUT is to hold when all is done; plan.json.

    Attributes:
        units: keys, sorted, on disk.
        skips: sources that are left out.
    """

    units: Shelf[None]
    skips: tuple[Skip, ...]

    def to_json(self) -> Iterator[bytes]:
        """Canonical JSON and a line break, in blocks."""
        skips = [
            {"code": s.code, "files": s.files, "reason": s.reason, "refused": s.refused, "series_uid": s.series_uid}
            for s in self.skips
        ]
        return document({"skips": skips, "units": Again(lambda: iter(self.units))})


def listing_of(units: Iterable[Unit], skips: tuple[Skip, ...] = ()) -> Listing:
    """What plan.json holds of a plan."""
    return Listing(Shelf.of(unit.recipe.id for unit in units), skips)


def read_listing(root: Path) -> Listing:
    """The plan that OUTPUT is for.

    Raises:
        OutputError: plan.json is missing or malformed.
    """
    try:
        return Listing(
            Shelf.of(map(str, array_items(root / PLAN, "units"))),
            tuple(Skip(**skip) for skip in array_items(root / PLAN, "skips")),
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
            r for r in records if r.unit in listing.units and (r.status != "written" or store.holds(r.unit))
        )
        write_monai(listed, store.root)
        write_coco(listed, store.root)
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
