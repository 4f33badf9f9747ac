"""How a file takes its place: written beside its name, flushed, read back, and only then renamed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Written:
    """A file that was written and read back.

    Attributes:
        path: the file.
        sha256: of the bytes that were read back.
        pixels_sha256: `pixels_digest` of the stored values that were read back; empty where there are none.
        sop_instance_uid: of the instance.
    """

    path: Path
    sha256: str
    pixels_sha256: str
    sop_instance_uid: str
