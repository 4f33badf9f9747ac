"""``private/names.tsv``: which file of INPUT a name in lists, records and messages stands for; for the owner alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path

from medaug.audit import layout
from medaug.audit.output_files import sha256_of
from medaug.execution.output.store import Store, file_name
from medaug.execution.planning.naming import Naming, relative_name
from medaug.execution.planning.units import Unit
from medaug.imaging.volume import SourceRef
from medaug.storage.atomic import disk_errors, replace_file
from medaug.storage.disk_map import DiskMap
from medaug.storage.plain_files import open_plain

COLUMNS = ("file", "name", "sha256", "source", "units")
OWNER_ONLY = 0o600
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def write_names(store: Store, units: Iterable[Unit], naming: Naming) -> None:
    """Write it for the sources of a plan; a file of the same plan.json stays as it is.

    One line a file, so that whatever stands in a list, a record or a message finds its file by a search for it. The
    first line tells which plan.json it is of: to make 100,000 lines again takes as long as to find their units done.

    Args:
        store: OUTPUT, opened; nobody else writes there meanwhile.
        units: of the plan, each source's together.
        naming: how the lists name its sources.

    Raises:
        OutputError: the disk didn't take it.
    """
    path = store.root / layout.NAMES
    with disk_errors(layout.NAMES), store.alone():
        head = f"# {layout.PLAN} {sha256_of(store.root / layout.PLAN)}\n".encode()
        if not _begins(path, head):
            replace_file(path, chain((head,), _lines(store, units, naming)), mode=OWNER_ONLY)


def _begins(path: Path, head: bytes) -> bool:
    try:
        with open_plain(path, follow=False) as file:
            return file.read(len(head)) == head
    except FileNotFoundError:
        return False


def _lines(store: Store, units: Iterable[Unit], naming: Naming) -> Iterator[bytes]:
    """Sources in the order of the plan, then those that only give a lesion."""
    yield _line(COLUMNS)
    hosts: DiskMap[None] = DiskMap()
    donors: DiskMap[SourceRef] = DiskMap()
    for key, group in groupby(units, lambda unit: unit.recipe.source):
        variants = list(group)
        hosts[key] = None
        for unit in variants:
            if unit.donor:
                donors[unit.donor.reference.key] = unit.donor.reference
        yield from _files(store, naming, variants[0].reference, tuple(unit.recipe.id for unit in variants))
    for key, reference in donors.items():
        if key not in hosts:
            yield from _files(store, naming, reference)


def _files(store: Store, naming: Naming, reference: SourceRef, units: tuple[str, ...] = ()) -> Iterator[bytes]:
    """A line for each file of a source, in slice order; the first names its units, too."""
    digests = dict(zip(reference.files, reference.sha256, strict=False))
    for number, (file, sha256) in enumerate(digests.items()):
        plain = relative_name(file, naming.root)
        name = plain if naming.plain else file_name(store.secret, plain)
        yield _line((plain, name, sha256, reference.key, "" if number else " ".join(units)))


def _line(values: Iterable[str]) -> bytes:
    """Tabs between, and none inside; names are the file system's bytes."""
    return os.fsencode("\t".join(value.translate(_ESCAPES) for value in values) + "\n")
