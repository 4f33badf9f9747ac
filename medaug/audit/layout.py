"""Every name in OUTPUT, once, those of the lists aside, which stand in `medaug/manifests/`; see docs/format.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import read_plain

MAX_FORMAT, MAX_PROFILE = 1 << 20, 1 << 18  # bytes; YAML takes 30 µs a byte
FORMAT_NAME, FORMAT_VERSION = "medaug-output", 2  # what FORMAT.json declares
KNOWN = f"{FORMAT_NAME} version {FORMAT_VERSION}"

FORMAT = "FORMAT.json"
PROFILE = "profile.yaml"
PLAN = "plan.json"
PAGE = "index.html"
METHODS = "METHODS.md"
CRATE = "ro-crate-metadata.json"
SEAL = "seal.json"
ANCHOR = "seal.anchor.json"

VARIANTS = "variants"
LEDGER = "ledger"
STAGING = ".staging"
QUARANTINE = "quarantine"
PRIVATE = "private"
KEY = f"{PRIVATE}/key"
NAMES = f"{PRIVATE}/names.tsv"  # of INPUT's files, for the owner
SENT = "sent"  # a segment in private/: what archives were given

# inside the folder of a unit
RECORD = "record.json"
IMAGE = "image"  # a folder of DICOM files, or a file with a suffix
EVIDENCE = "evidence"
PREVIEW = "preview"
UNIT_DIGITS = 16  # of a unit's key: short paths for Windows; 64 bits don't collide in one output

# The queue's own state, and the ledger, which the seal holds by its heads. private/ is the owner's and never listed.
NO_RESULTS = frozenset({PRIVATE, STAGING, QUARANTINE, LEDGER, SEAL, ANCHOR})


def unit_folder(unit: str) -> str:
    """Where a unit lies, relative to OUTPUT."""
    return f"{VARIANTS}/{unit[:UNIT_DIGITS]}"


def declaration(created: str, run: str) -> bytes:
    """What FORMAT.json holds: the format, when the run was first started, and its public name."""
    stamp = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "created": created, "run": run}
    return (json.dumps(stamp, indent=2) + "\n").encode()


def read_format(root: Path) -> dict[str, Any]:
    """FORMAT.json: ``format``, ``version``, ``created`` and ``run``; none of them is checked.

    Raises:
        OSError: it can't be read.
        ValueError: it is no JSON object.
    """
    data = parse(read_plain(root / FORMAT, MAX_FORMAT, follow=False))
    if not isinstance(data, dict):
        raise ValueError(f"{FORMAT}: expected an object, found {type(data).__name__}")  # noqa: TRY004 - of the file
    return data


def is_known(declared: dict[str, Any]) -> bool:
    """Whether this version knows the format that FORMAT.json declares."""
    return (declared.get("format"), declared.get("version")) == (FORMAT_NAME, FORMAT_VERSION)
