"""A request whose profile leaves nothing to the device any more."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from medaug.errors import RunError
from medaug.execution.planning.request import RunRequest
from medaug.profile.settled import PROCESSOR, settled

# What drivers of NVIDIA (also of Jetson and under WSL) and AMD put there
DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/dev/nvmap", "/dev/dxg", "/dev/kfd")))


def on_its_device(request: RunRequest) -> RunRequest:
    """The request, settled for the device that it asks for; units are named after that profile.

    With Ray devices may be elsewhere: where this machine has none, all is settled as on a processor.

    Raises:
        RunError: there is no such device here.
    """
    if request.device == "cpu" or (request.device == "auto" and not may_have_device()):
        return replace(request, profile=settled(request.profile, PROCESSOR))
    from medaug.assemble.settling import settled_on  # it asks torch, which takes seconds to load

    try:
        return replace(request, profile=settled_on(request.profile, request.device))
    except RunError:
        if request.chosen_executor != "ray":
            raise
        return replace(request, profile=settled(request.profile, PROCESSOR))


def may_have_device() -> bool:
    """Whether ``auto`` could be anything but a processor, told without torch; where this errs, it is merely slower."""
    return sys.platform == "win32" or any(driver.exists() for driver in DRIVERS)
