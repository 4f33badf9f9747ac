"""What is drawn before a pixel is touched. Needs no torch, so that planning doesn't either."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from medaug.imaging.boxes import Box, plain
from medaug.imaging.seeds import seed_for
from medaug.imaging.volume import Mask, Volume
from medaug.profile.profile import Profile

NUMERICS = 3  # raised whenever the same recipe would give other pixels; enters every unit's key


@dataclass(frozen=True)
class Recipe:
    """Every choice behind one variant, drawn before a pixel is touched.

    Attributes:
        source: `SourceRef.key` of the volume.
        boxes: digest of the boxes, see `boxes_digest`.
        variant: number of the variant, from 0.
        seed: the run's seed.
        profile_sha256: digest of the resolved profile.
        prior_sha256: digest of the prior's weights.
        numerics: version of the arithmetic.
        kept: digest of the voxels that must not change beside the boxes, see `kept_digest`; "" where there are none.
        donor: digest of the lesion that is set in, see `donor_digest`; "" where none is.
    """

    source: str
    boxes: str
    variant: int
    seed: int
    profile_sha256: str
    prior_sha256: str
    numerics: int = NUMERICS
    kept: str = ""
    donor: str = ""

    @classmethod
    def of(cls, volume: Volume, boxes: Sequence[Box], profile: Profile, *, variant: int = 0, seed: int = 0) -> Recipe:
        """The recipe that a run would draw for a volume, its boxes and a profile."""
        return cls(volume.source.key, boxes_digest(boxes), variant, seed, profile.sha256, profile.prior.sha256)

    @property
    def id(self) -> str:
        """64 hex digits: the key of the unit. The same content and choices give the same key anywhere."""
        return hashlib.sha256(json.dumps(self.plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def plain(self) -> dict[str, str]:
        """Every choice as text; without ``kept`` or ``donor`` where there is none, as before there was one."""
        choices = {name: str(getattr(self, name)) for name in _FIELDS}  # asdict takes five times as long
        return {name: choice for name, choice in choices.items() if choice or name not in _LATER}

    def seed_of(self, purpose: str) -> int:
        """A seed of its own for each purpose, such as ``regions`` or ``noise``."""
        return seed_for(self.seed, self.source, self.variant, purpose)


_LATER = frozenset({"kept", "donor"})
_FIELDS = tuple(field.name for field in fields(Recipe))


def kept_digest(kept: Mask | None) -> str:
    """A digest of a mask with its shape; "" for none."""
    if kept is None:
        return ""
    return hashlib.sha256(json.dumps(kept.shape).encode() + np.packbits(kept).tobytes()).hexdigest()


def donor_digest(key: str, box: Box) -> str:
    """A digest of a lesion: of its image's key and its box."""
    return hashlib.sha256(json.dumps([key, plain(box)]).encode()).hexdigest()


def boxes_digest(boxes: Sequence[Box]) -> str:
    """A digest of boxes that doesn't depend on their order."""
    return hashlib.sha256(json.dumps([plain(box) for box in sorted(boxes)]).encode()).hexdigest()
