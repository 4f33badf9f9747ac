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
    from medaug.imaging.boxes import Box as Box
    from medaug.imaging.volume import Volume as Volume
    from medaug.recipe import Recipe as Recipe

_HOMES = {
    "Box": "medaug.imaging.boxes",
    "Case": "medaug.augmentation",
    "Recipe": "medaug.recipe",
    "Tools": "medaug.augmentation",
    "Variant": "medaug.augmentation",
    "Volume": "medaug.imaging.volume",
    "augment": "medaug.augmentation",
    "plan": "medaug.execution.plan",
    "run": "medaug.execution.execute",
    "tools": "medaug.assemble",
}

__all__ = ["Box", "Case", "Recipe", "Tools", "Variant", "Volume", "__version__", "augment", "plan", "run", "tools"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medaug' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
