"""medaug: augment labelled medical images by solving an inverse problem, with the label kept by construction.

    import medaug
    summary = medaug.run("export", "augmented", profile="bone-xray", annotations="boxes.json", variants=2, seed=7)

`run` works on folders, `augment` on arrays (`Case`, `Recipe`, `Tools`; `tools` builds the tools from a profile). They
are loaded on first use, so that ``import medaug`` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from medaug.assemble import tools as tools
    from medaug.augmentation import Case as Case
    from medaug.augmentation import Tools as Tools
    from medaug.augmentation import Variant as Variant
    from medaug.augmentation import augment as augment
    from medaug.execution.execute import run as run
    from medaug.execution.plan import plan as plan
    from medaug.imaging.arrays import from_array as from_array
    from medaug.imaging.boxes import Box as Box
    from medaug.imaging.volume import Rescale as Rescale
    from medaug.imaging.volume import Volume as Volume
    from medaug.imaging.volume import Window as Window
    from medaug.profile import Profile as Profile
    from medaug.profile import load as load_profile
    from medaug.recipe import Recipe as Recipe

_HOMES = {
    "Box": "medaug.imaging.boxes",
    "Case": "medaug.augmentation",
    "Profile": "medaug.profile",
    "Recipe": "medaug.recipe",
    "Rescale": "medaug.imaging.volume",
    "Tools": "medaug.augmentation",
    "Variant": "medaug.augmentation",
    "Volume": "medaug.imaging.volume",
    "Window": "medaug.imaging.volume",
    "augment": "medaug.augmentation",
    "from_array": "medaug.imaging.arrays",
    "load_profile": "medaug.profile:load",
    "plan": "medaug.execution.plan",
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
