"""The table of parts that a user gives, such as a data set's official ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medaug.errors import ManifestError
from medaug.manifests.splits import rows_of_parts


@dataclass(frozen=True)
class StatedPart:
    """Where an image stands.

    Attributes:
        part: of `splits.PARTS`.
        patient: whose it is, if the table says so; "" if not.
    """

    part: str
    patient: str


def read_places(path: Path) -> dict[str, StatedPart]:
    """File → place, from a CSV with the columns ``file`` and ``part``, and ``patient`` where it is known.

    A file is named as in the export: relative to it with ``/``, or by its last name alone.

    Raises:
        ManifestError: not such a table, or a file stands in it twice.
    """
    places: dict[str, StatedPart] = {}
    for line, name, part, row in rows_of_parts(path, "file"):
        if name in places:
            raise ManifestError(f"parts, line {line}: the same file as in another line; name each once")
        places[name] = StatedPart(part, (row.get("patient") or "").strip())
    return places
