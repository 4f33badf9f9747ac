"""What a benchmark's folder says it is; `medaug verify` asks it of every folder, so nothing slow is loaded here."""

from __future__ import annotations

from pathlib import Path

from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import read_plain

FORMAT, NAME, VERSION = "FORMAT.json", "medaug-benchmark", 1
MAX_BYTES = 1 << 20


def is_benchmark(root: Path) -> bool:
    """Whether a folder says that it is a benchmark."""
    try:
        return bool(parse(read_plain(root / FORMAT, MAX_BYTES)).get("format") == NAME)
    except (OSError, ValueError, AttributeError):
        return False
