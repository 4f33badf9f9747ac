"""The lists of a run's variants that its OUTPUT holds: what a run writes, and what `medaug verify` makes again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from medaug.audit.record_order import Ordered
from medaug.audit.source_names import Sources
from medaug.manifests.coco import COCO, coco_content, write_coco
from medaug.manifests.monai import MONAI, monai_content, write_monai


class Manifest(NamedTuple):
    """One list.

    Attributes:
        name: of its file in OUTPUT.
        content: what it says, for canonical JSON, of the records and the names of the sources.
        write: puts that into the file of that name in OUTPUT.
    """

    name: str
    content: Callable[[Ordered, Sources], dict[str, Any]]
    write: Callable[[Ordered, Path, Sources], Path]


MANIFESTS = (
    Manifest(MONAI, monai_content, write_monai),
    Manifest(COCO, coco_content, write_coco),
)
