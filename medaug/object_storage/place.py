"""Where objects lie: ``s3://BUCKET/PREFIX``. Who asks, and which server, stand in the environment or in AWS's files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from medaug.errors import ArchiveError

FORM = "s3://BUCKET/PREFIX"
LONGEST, LONGEST_PART = 1024, 255  # bytes of a name, and of one of its parts
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)")


@dataclass(frozen=True)
class Prefix:
    """A prefix in a bucket.

    Attributes:
        bucket: its name.
        prefix: without a slash at its end.
    """

    bucket: str
    prefix: str

    def key(self, name: str) -> str:
        """The key of an object, from its name below the prefix."""
        return f"{self.prefix}/{name}"


def place_of(text: str) -> Prefix:
    """The place that an address names.

    Raises:
        ArchiveError: ``archive-address``.
    """
    parts = _ADDRESS.fullmatch(text.rstrip("/"))
    if parts is None or not is_safe(parts[2]):
        raise ArchiveError(
            f"expected {FORM}, a prefix and no credentials in it; they and another server than AWS's are told by "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE and AWS_ENDPOINT_URL",
            code="archive-address",
        )
    return Prefix(parts[1], parts[2])


def is_safe(name: str) -> bool:
    """Whether an object's name can be a file's below a folder: no way out of it, nothing that steers a terminal."""
    parts = name.split("/")
    return len(name.encode(errors="replace")) <= LONGEST and all(map(_is_safe, parts))


def _is_safe(part: str) -> bool:
    short = 0 < len(part.encode(errors="replace")) <= LONGEST_PART
    return short and part not in {".", ".."} and part.isprintable() and "\\" not in part
