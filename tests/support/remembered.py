"""`check_unit`, which looks at a unit once as long as nothing changes that it looks at.

An attack on an OUTPUT touches one of its units, or none; the others are as they were in the test before, and to check
them takes four fifths of what verifying takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

from medaug.verification import derivation
from medaug.verification.unit_check import Findings, UnitCheck
from medaug.verification.unit_files import check_unit

Check = Callable[[UnitCheck], Findings]


class Remembering:
    """The same answers to the same units: same record, same statement, same files by names and bytes."""

    def __init__(self) -> None:
        self.known: dict[str, Findings] = {}

    def __call__(self, unit: UnitCheck) -> Findings:
        key = _seen(unit)
        if key not in self.known:
            self.known[key] = check_unit(unit)
        return deepcopy(self.known[key])

    def __reduce__(self) -> tuple[Callable[[], Check], tuple[()]]:
        return _real, ()  # in another process nothing is remembered


def _real() -> Check:
    return check_unit


def _seen(unit: UnitCheck) -> str:
    """A digest of all that `check_unit` can look at."""
    seen = hashlib.sha256()
    facts = (unit.record.to_json(), unit.keeps_boxes, unit.said, derivation.__version__)
    seen.update(repr((facts, unit.sources is None, unit.donor is None)).encode())
    for path, name in _files(unit):
        seen.update(f"\0{name}\0{path.is_symlink()}\0{path.is_file()}\0".encode())
        if path.is_file():
            seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()


def _files(unit: UnitCheck) -> Iterator[tuple[Path, str]]:
    inside = {path for path in (unit.root / unit.record.folder).rglob("*") if not path.is_dir()}
    named = {unit.root / output.path for output in unit.record.outputs}
    for path in sorted(inside | named):
        yield path, path.relative_to(unit.root).as_posix()
    for path in (*(unit.sources or ()), unit.donor):
        yield (path, path.name) if path else (unit.root / "nowhere", "")
