"""medaug: augment labelled medical images by solving an inverse problem, with the label kept by construction.

    import medaug
    summary = medaug.run("export", "augmented", profile="bone-xray", annotations="boxes.json", variants=2, seed=7)

`run` works on folders, `augment` on arrays (`Case`, `Recipe`, `Tools`; `tools` builds the tools from a profile). They
are loaded on first use, so that ``import medaug`` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medaug.version import __version__ as __version__

if TYPE_CHECKING:
    from medaug.assemble import tools
    from medaug.augmentation.augment import augment
    from medaug.augmentation.case import Case, Variant
    from medaug.augmentation.recipe import Recipe
    from medaug.augmentation.tools import Tools
    from medaug.execution.execute import run
    from medaug.execution.planning.plan import plan
    from medaug.imaging.arrays import from_array
    from medaug.imaging.boxes import Box
    from medaug.imaging.volume import Rescale, Volume, Window
    from medaug.profile.load import load_profile
    from medaug.profile.profile import Profile

_HOMES = {
    "Box": "medaug.imaging.boxes",
    "Case": "medaug.augmentation.case",
    "Profile": "medaug.profile.profile",
    "Recipe": "medaug.augmentation.recipe",
    "Rescale": "medaug.imaging.volume",
    "Tools": "medaug.augmentation.tools",
    "Variant": "medaug.augmentation.case",
    "Volume": "medaug.imaging.volume",
    "Window": "medaug.imaging.volume",
    "augment": "medaug.augmentation.augment",
    "from_array": "medaug.imaging.arrays",
    "load_profile": "medaug.profile.load",
    "plan": "medaug.execution.planning.plan",
    "run": "medaug.execution.execute",
    "tools": "medaug.assemble",
}

__all__ = [
    "Box",
    "Case",
    "Profile",
    "Recipe",
    "Rescale",
    "Tools",
    "Variant",
    "Volume",
    "Window",
    "__version__",
    "augment",
    "from_array",
    "load_profile",
    "plan",
    "run",
    "tools",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medaug' has no attribute {name!r}")
    from importlib import import_module

    home, _, other = _HOMES[name].partition(":")
    return getattr(import_module(home), other or name)
