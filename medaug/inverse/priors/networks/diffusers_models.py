"""One model class of diffusers without all else that diffusers would load with it, which takes longer than a solve.

diffusers asks for transformers and peft while its modules are imported, marks classes for torch's compiler, and a
package of it imports every model there is. A network of a prior needs none of these; prompts, LoRA and other pipelines
import them by themselves, later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec, module_from_spec
from unittest.mock import patch

COMPANIONS = ("transformers", "peft")
SERVICES = "boto3"  # 0.2 s; accelerate asks for it for its settings of SageMaker, where `medaug[s3]` brought it
COMPILER = "torch._dynamo"  # 2 s; where it is missing, diffusers.utils leaves the mark out
PACKAGES = ("diffusers.models.unets", "diffusers.models.transformers")  # 1.6 s, and the compiler again


@contextmanager
def unaccompanied() -> Iterator[None]:
    """While modules of diffusers are imported here, they are alone; afterwards all can be imported as ever."""
    with _missing(COMPILER), _without_map():
        from diffusers.utils import import_utils

    flags = {name: getattr(import_utils, name) for name in (f"_{each}_available" for each in COMPANIONS)}
    for name in flags:
        setattr(import_utils, name, False)
    try:
        with _missing(*COMPANIONS, SERVICES), _unopened(*PACKAGES):
            yield
    finally:
        for name, there in flags.items():
            setattr(import_utils, name, there)


@contextmanager
def _without_map() -> Iterator[None]:
    """No reading of the file lists of all that is installed; three quantizers that no prior has are found by them."""
    if "diffusers.utils.import_utils" in sys.modules:
        yield
        return
    with patch.object(metadata, "packages_distributions", dict):
        yield
    sys.modules["diffusers.utils.import_utils"].__dict__["_package_map"] = None  # made when it is asked for


@contextmanager
def _missing(*names: str) -> Iterator[None]:
    """Modules that aren't loaded can't be, here."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:  # None is what the import system takes for "not there"
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _unopened(*names: str) -> Iterator[None]:
    """Modules of these packages can be imported here, and what the packages import stays away."""
    closed = [name for name in names if name not in sys.modules]
    for name in closed:
        spec = find_spec(name)
        if spec is not None:
            sys.modules[name] = module_from_spec(spec)  # made, and not run
    try:
        yield
    finally:
        for name in closed:
            sys.modules.pop(name, None)
