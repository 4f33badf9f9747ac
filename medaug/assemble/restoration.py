"""The profile's way back to the native grid, bound to its parameters."""

from __future__ import annotations

import math
from functools import partial
from typing import assert_never

from medaug.augmentation.restore import Restoration, restore_delta, restore_replace
from medaug.errors import ProfileError
from medaug.imaging.products import product
from medaug.imaging.resample import low_pass_matrix, spread_matrix
from medaug.imaging.volume import Float32
from medaug.inverse.priors.card import PriorCard
from medaug.profile.components import Restore


def restoration_of(spec: Restore, size: int, card: PriorCard) -> Restoration:
    """What brings a solution back.

    Args:
        spec: as the profile says.
        size: of the prior's square in px.
        card: the prior's, whose latent cells are deblocked.

    Raises:
        ProfileError: nothing comes back.
    """
    match spec.kind:
        case "delta":
            return partial(restore_delta, spread=_spread(spec, size, card), contrast=spec.contrast)
        case "replace":
            return restore_replace
        case "none":
            raise ProfileError("restore: the profile generates nothing, and nothing is restored")
        case _:
            assert_never(spec.kind)


def _spread(spec: Restore, size: int, card: PriorCard) -> Float32 | None:
    """What the change is multiplied with along both axes; None where it is taken as it is."""
    if not (spec.deblock or spec.fine):
        return None
    before = -size % math.lcm(card.stride, card.multiple) // 2  # what `padded` adds there
    spread = spread_matrix(size, card.stride if spec.deblock else 0, -before % card.stride)
    return product(low_pass_matrix(size, spec.fine), spread) if spec.fine else spread
