"""medaug: augment labelled medical images by solving an inverse problem, with the label kept by construction.

    import medaug
    summary = medaug.run("export", "augmented", profile="bone-xray", annotations="boxes.json", variants=2, seed=7)

`run` and `plan` work on folders and take the command line's options by their names (`RunRequest` says what each is).
`augment` works on arrays: `from_array` makes a `Volume`, `Case` adds `Box`es, `Recipe` draws, `tools` builds what a
profile needs. What goes wrong is a `MedaugError`. Names are loaded on first use, so that ``import medaug`` stays cheap.
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
    from medaug.errors import (
        AnnotationError,
        ArchiveError,
        IdentityError,
        ManifestError,
        MedaugError,
        OutputError,
        PriorError,
        ProfileError,
        QualityError,
        ReadError,
        RegionError,
        RunError,
        SourceError,
        WriteError,
    )
    from medaug.execution.execute import run
    from medaug.execution.planning.plan import Plan, plan
    from medaug.execution.planning.request import RunRequest
    from medaug.execution.summary import Progress, Summary
    from medaug.imaging.arrays import from_array
    from medaug.imaging.boxes import Box
    from medaug.imaging.volume import Rescale, Volume, Window
    from medaug.profile.load import load_profile
    from medaug.profile.profile import Profile
    from medaug.profile.strength import with_strength

_HOMES = {
    "AnnotationError": "medaug.errors",
    "ArchiveError": "medaug.errors",
    "Box": "medaug.imaging.boxes",
    "Case": "medaug.augmentation.case",
    "IdentityError": "medaug.errors",
    "ManifestError": "medaug.errors",
    "MedaugError": "medaug.errors",
    "OutputError": "medaug.errors",
    "Plan": "medaug.execution.planning.plan",
    "PriorError": "medaug.errors",
    "Profile": "medaug.profile.profile",
    "ProfileError": "medaug.errors",
    "Progress": "medaug.execution.summary",
    "QualityError": "medaug.errors",
    "ReadError": "medaug.errors",
    "Recipe": "medaug.augmentation.recipe",
    "RegionError": "medaug.errors",
    "Rescale": "medaug.imaging.volume",
    "RunError": "medaug.errors",
    "RunRequest": "medaug.execution.planning.request",
    "SourceError": "medaug.errors",
    "Summary": "medaug.execution.summary",
    "Tools": "medaug.augmentation.tools",
    "Variant": "medaug.augmentation.case",
    "Volume": "medaug.imaging.volume",
    "Window": "medaug.imaging.volume",
    "WriteError": "medaug.errors",
    "augment": "medaug.augmentation.augment",
    "from_array": "medaug.imaging.arrays",
    "load_profile": "medaug.profile.load",
    "plan": "medaug.execution.planning.plan",
    "run": "medaug.execution.execute",
    "tools": "medaug.assemble",
    "with_strength": "medaug.profile.strength",
}

__all__ = [
    "AnnotationError",
    "ArchiveError",
    "Box",
    "Case",
    "IdentityError",
    "ManifestError",
    "MedaugError",
    "OutputError",
    "Plan",
    "PriorError",
    "Profile",
    "ProfileError",
    "Progress",
    "QualityError",
    "ReadError",
    "Recipe",
    "RegionError",
    "Rescale",
    "RunError",
    "RunRequest",
    "SourceError",
    "Summary",
    "Tools",
    "Variant",
    "Volume",
    "Window",
    "WriteError",
    "__version__",
    "augment",
    "from_array",
    "load_profile",
    "plan",
    "run",
    "tools",
    "with_strength",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medaug' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
