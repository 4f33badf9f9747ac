"""Other names for the same: of UIDs, of patients, and days by which a patient's dates are moved; by a secret key."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta

WELL_KNOWN = "1.2.840.10008."  # the Standard's own root (PS3.6 annex A)
LONGEST = 3650  # days


@dataclass(frozen=True)
class Pseudonyms:
    """The same key gives the same names, in every fetch; without it nobody finds the way back.

    Attributes:
        key: secret bytes.
    """

    key: bytes = field(repr=False)

    def uid(self, old: str) -> str:
        """A UID for a UID; the Standard's own stay."""
        if not old or old.startswith(WELL_KNOWN):
            return old
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', old)[:16], version=4).int}"

    def patient(self, *names: str) -> str:
        """16 hex digits for a patient, by ID and issuer."""
        return self._digest("patient", *names)[:8].hex()

    def file(self, uid: str) -> str:
        """16 hex digits that name a file or a folder."""
        return self._digest("file", uid)[:8].hex()

    def days(self, *names: str) -> timedelta:
        """By how much a patient's dates are moved back: 1 to `LONGEST` days."""
        return timedelta(days=1 + int.from_bytes(self._digest("days", *names)[:8], "big") % LONGEST)

    def _digest(self, *names: str) -> bytes:
        text = "".join(f"{len(name)}:{name}" for name in names)
        return hmac.new(self.key, text.encode(), hashlib.sha256).digest()


def moved(value: str, back: timedelta) -> str:
    """A DA or DT value some days earlier; ``""`` where it is no such value.

    Source: PS3.5 6.2.
    """
    try:
        day = date(int(value[:4]), int(value[4:6]), int(value[6:8])) - back
    except (ValueError, OverflowError):
        return ""
    return f"{day:%Y%m%d}{value[8:]}" if day.year >= 1000 else ""
