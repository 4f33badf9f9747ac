"""What was sent, and held to it: lines in OUTPUT's private folder, so that a send goes on where it was cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medaug.audit import segments
from medaug.audit.layout import PRIVATE, SENT
from medaug.errors import OutputError
from medaug.storage.canonical_json import canonical
from medaug.storage.json_dataclass import decode

COERCED = "coerced"  # it lies there under another UID than it was sent with, or in another series: not as it was sent


@dataclass(frozen=True)
class SentInstance:
    """One instance that an archive has.

    Attributes:
        archive: its address, as given.
        file: relative to OUTPUT, POSIX.
        sha256: of the file.
        instance: the SOP Instance UID that it has there.
        proof: how that was made sure: ``pixels``, ``count``, ``none``; or `COERCED`.
        allowed: why it may be the archive that the source came from; "" where it isn't.
        sent: ISO 8601, UTC.
        prev: digest of the line before.
    """

    archive: str
    file: str
    sha256: str
    instance: str
    proof: str
    allowed: str
    sent: str
    prev: str = ""


def note(root: Path, sent: Iterable[SentInstance]) -> None:
    """Add lines, all of them or none, flushed to disk.

    Raises:
        OutputError: the disk didn't take it.
    """

    def spelled(one: SentInstance) -> Any:
        return lambda prev: canonical(asdict(one) | {"prev": prev})

    segments.append(root / PRIVATE, SENT, *map(spelled, sent))


def known(root: Path) -> Iterator[SentInstance]:
    """What was sent from an OUTPUT before; a torn last line is left out.

    Raises:
        OutputError: a line was edited or damaged.
    """
    path = root / PRIVATE / f"{SENT}{segments.SUFFIX}"
    for number, line in enumerate(segments.readable(path) if path.exists() else (), 1):
        if line.endswith(b"\n"):
            try:
                yield decode(SentInstance, line[:-1], "sent")
            except ValueError:
                raise OutputError(f"OUTPUT: line {number} of what was sent was edited or damaged") from None
