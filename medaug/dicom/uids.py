"""UIDs made from names, so that the same run gives the same UIDs (PS3.5 B.2: 2.25 and a UUID as an integer)."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("6f0d6a5e-2c0b-5a3e-9f57-4d4544415547")


def derived_uid(*names: str | int) -> str:
    """A UID from names: the same names give the same UID, on every machine and in every run.

    Each name enters with its length, so ("ab", "c") and ("a", "bc") differ. pydicom's ``generate_uid``
    with ``prefix=None`` draws at random even when it is given entropy sources; this never draws.

    Returns:
        ``2.25.`` and the decimal of a UUID version 5; at most 44 characters.

    Source: PS3.5 B.2; RFC 9562 section 5.5.
    """
    text = "".join(f"{len(str(name))}:{name}" for name in names)
    return f"2.25.{uuid.uuid5(NAMESPACE, text).int}"


def instance_uid(run: str, unit: str, source: str, variant: int) -> str:
    """SOPInstanceUID of the instance that ``unit`` derives from the instance ``source``.

    The run enters: another run may give the same unit other bytes (a device, a date, a version), and one UID may
    stand for one object only (PS3.5 section 9).
    """
    return derived_uid("instance", run, unit, source, variant)


def series_uid(run: str, unit: str) -> str:
    """SeriesInstanceUID of the series that ``unit`` writes in ``run``; a unit is one source series and one variant."""
    return derived_uid("series", run, unit)


IMPLEMENTATION_CLASS_UID = derived_uid("implementation", "medaug")
IMPLEMENTATION_VERSION_NAME = "MEDAUG 0.1"
