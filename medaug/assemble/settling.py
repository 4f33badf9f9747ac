"""A profile with what it leaves to the device settled for one that is here."""

from __future__ import annotations

import torch

from medaug.inverse.device import has_bfloat16, memory, resolve_device
from medaug.profile.profile import Profile
from medaug.profile.settled import Traits, settled


def settled_on(profile: Profile, device: str) -> Profile:
    """The profile settled, so that its digest says what is computed.

    Args:
        profile: as it was read.
        device: ``auto``, ``cpu`` or a torch device.

    Raises:
        RunError: there is no such device here.
    """
    on = resolve_device(device)
    return settled(profile, Traits(torch.device(on).type, has_bfloat16(on), memory(on)))
