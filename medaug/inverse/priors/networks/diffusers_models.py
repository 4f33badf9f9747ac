"""diffusers' model classes without transformers and peft, which take seconds to load.

diffusers asks for them while its modules are imported. A network of a prior needs neither; prompts and LoRA import them
by themselves, later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

COMPANIONS = ("transformers", "peft")


@contextmanager
def unaccompanied() -> Iterator[None]:
    """While modules of diffusers are imported here, it takes both for missing; afterwards all is as before."""
    from diffusers.utils import import_utils

    flags = {name: getattr(import_utils, name) for name in (f"_{each}_available" for each in COMPANIONS)}
    hidden = [name for name in COMPANIONS if name not in sys.modules]
    for name in flags:
        setattr(import_utils, name, False)
    for name in hidden:  # None is what the import system takes for "not there"
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        for name, there in flags.items():
            setattr(import_utils, name, there)
