"""What can go wrong, as a tree.

    MedaugError
    ├── ProfileError        a profile is unknown, malformed, or holds an unknown key         exit 2
    ├── PriorError          a prior's folder, digest or architecture is not usable           exit 2
    ├── OutputError         OUTPUT can't be used: full, read-only, another run's             exit 2
    ├── RunError            a run can't go on as it was set up                               exit 2
    ├── ManifestError       a list or a data set would put an image where it may not be      exit 2
    ├── ArchiveError        a PACS or a store can't be reached, refuses, or has something else   exit 2
    └── SourceError         one source can't be used; the rest of the export goes on
        ├── ReadError       a file or a series is not readable, or not safe to read as a volume
        ├── IdentityError   a person may be identified and nobody stated that it was checked
        ├── AnnotationError an annotation is malformed or contradicts its image
        ├── RegionError     nothing may change, or nothing may be kept
        ├── QualityError    a variant failed its gate
        └── WriteError      the derived instance would not be valid

Every message says where, what was expected, what was found and what to do. Messages go into logs
and records: they hold hashes, figures and UIDs, never a name, an ID or a path of the input.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TypeVar

_PLACE = "place"
E = TypeVar("E", bound=BaseException)


class MedaugError(Exception):
    """Base of every error that medaug raises on purpose.

    Args:
        message: one sentence for a person, without identity.
        code: a frozen English code of `error_codes.CODES`, such as ``prior-weights``; its class's where none is given.
    """

    default_code = "unusable"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class ProfileError(MedaugError):
    """A profile is unknown, malformed, or contradicts itself."""

    default_code = "profile"


class PriorError(MedaugError):
    """A prior can't be loaded, or is not what its card says."""

    default_code = "prior"


class OutputError(MedaugError):
    """OUTPUT can't be used; nothing partial was left visible."""

    default_code = "output"


class RunError(MedaugError):
    """A run can't go on as it was set up: too many units fail, workers die, or its options contradict each other."""

    default_code = "run"


class ManifestError(MedaugError):
    """A list or a data set would put an image where it may not be, such as a synthetic one into a test part."""

    default_code = "list"


class ArchiveError(MedaugError):
    """A PACS or a store can't be asked, refuses, or didn't keep what it took; messages don't hold its address."""

    default_code = "archive-answer"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, code=code)


class SourceError(MedaugError):
    """One source can't be used."""

    default_code = "source-unusable"


class ReadError(SourceError):
    """A file or series is unreadable, or not safe to read as a volume."""

    default_code = "unreadable"


class IdentityError(SourceError):
    """The instances don't declare that the patient's identity was removed."""

    default_code = "identity"


class AnnotationError(SourceError):
    """An annotation file is malformed or contradicts its image."""

    default_code = "annotation"


class RegionError(SourceError):
    """The regions leave nothing to generate, or nothing to keep."""

    default_code = "regions"


class QualityError(SourceError):
    """A variant failed its gate."""

    default_code = "quality"


class WriteError(SourceError):
    """The derived instance would not be valid, so it was not written."""

    default_code = "write"


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun: ``1 box``, ``2 boxes``; ``several`` where it isn't the noun with an s."""
    return f"{number} {noun if number == 1 else several or noun + 's'}"


def place_of(error: BaseException) -> str:
    """File names and lines of the innermost calls, latest first: it finds a bug, and shows nobody's path or value.

    Of an error that came from another process, those calls there (`placed`).
    """
    known = error.__dict__.get(_PLACE)
    if known is not None:
        return str(known)
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:]))


def placed(error: E) -> E:
    """The error, knowing its place: a traceback is left behind when an error goes to another process."""
    error.__dict__[_PLACE] = place_of(error)
    return error
