"""What a profile leaves to the device, settled for one: before a unit is named, since it decides pixels."""

from __future__ import annotations

from dataclasses import dataclass

from medaug.profile.components import EmbeddedPrior
from medaug.profile.digest import ROWS_OF_A_PROCESSOR
from medaug.profile.profile import Profile

MOST_ROWS = 64
# Of the embedded prior at 256 px, for each row of a guided step: 17 MB of float32 are kept for the way back (counted on
# a CPU); more than twice as much allowed for, since what convolutions need beside on a device isn't measured
ROW_BYTES = 40 << 20
SHARE = 0.5  # of the device's memory; the rest is for weights, and for whoever else is there


@dataclass(frozen=True)
class Traits:
    """What decides how networks run on a device.

    Attributes:
        kind: ``cpu``, ``cuda``, ``xpu`` or ``mps``.
        bfloat16: whether products of bfloat16 are what it is fastest at.
        memory: bytes it has in all; 0 where nobody knows.
    """

    kind: str = "cpu"
    bfloat16: bool = False
    memory: int = 0


PROCESSOR = Traits()


def settled(profile: Profile, traits: Traits) -> Profile:
    """The profile with nothing left to the device; the same one where nothing is.

    All the device's memory counts, not what is free now: a run that goes on later must be the same one. What isn't
    there then is found out by halving the batch (`unit_of_work.solve`).
    """
    levers = profile.levers
    found = {"precision": "bfloat16" if traits.bfloat16 else "float32", "channels_last": traits.kind == "cuda"}
    if left := [name for name in found if getattr(levers, name) == "auto"]:
        levers = levers.model_copy(update={name: found[name] for name in left})
    rows = _rows(profile, traits) if profile.batch_size == "auto" else profile.batch_size
    if levers is profile.levers and rows == profile.batch_size:
        return profile
    return profile.model_copy(update={"levers": levers, "batch_size": rows})


def _rows(profile: Profile, traits: Traits) -> int:
    """The greatest power of two that half the memory holds, at most `MOST_ROWS`; as ever where neither is known."""
    if not traits.memory or not isinstance(profile.prior, EmbeddedPrior):
        return ROWS_OF_A_PROCESSOR
    room = int(SHARE * traits.memory / (ROW_BYTES * (profile.size / 256) ** 2))
    return 1 << max(0, min(MOST_ROWS, room).bit_length() - 1)
