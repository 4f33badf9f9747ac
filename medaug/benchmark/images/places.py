"""The table of parts that a user gives, such as a data set's official ones."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from medaug.errors import RunError
from medaug.manifests.splits import NAMES, PARTS
from medaug.storage.plain_files import open_plain, text_of


@dataclass(frozen=True)
class Place:
    """Where an image stands.

    Attributes:
        part: of `splits.PARTS`.
        patient: whose it is, if the table says so; "" if not.
    """

    part: str
    patient: str


def read_places(path: Path) -> dict[str, Place]:
    """File → place, from a CSV with the columns ``file`` and ``part``, and ``patient`` where it is known.

    A file is named as in the export: relative to it with ``/``, or by its last name alone.

    Raises:
        RunError: not such a table, or a file stands in it twice.
    """
    try:
        with text_of(open_plain(path), "utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"parts: the table can't be read ({type(error).__name__}); expected a CSV") from None
    places: dict[str, Place] = {}
    for line, row in enumerate(rows, 2):
        name, part = (row.get("file") or "").strip(), NAMES.get((row.get("part") or "").strip().lower())
        if not name or part is None:
            raise RunError(
                f"parts, line {line}: expected the columns file and part, and as part one of {', '.join(PARTS)}"
            )
        if name in places:
            raise RunError(f"parts, line {line}: the same file as in another line; name each once")
        places[name] = Place(part, (row.get("patient") or "").strip())
    return places
