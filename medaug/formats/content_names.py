"""Names for what has no UID: NIfTI and NRRD, by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np

from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import SourceRef, Stored


def named_by_content(
    kind: Literal["nifti", "nrrd"],
    path: Path,
    head: str,
    stored: Stored,
    geometry: Geometry,
    *,
    sha256: str,
    nameless: bool,
) -> SourceRef:
    """The source of a file of volumes; where it lies and how it is called is no part of its names.

    Args:
        kind: of the file, the first word of each name.
        path: of the file.
        head: what of the header decides the values, beside numbers and grid.
        stored: its numbers.
        geometry: its grid.
        sha256: of the file.
        nameless: whether no text in it can hold a name.
    """
    content = hashlib.sha256(head.encode())
    content.update(geometry.affine.tobytes())
    content.update(np.ascontiguousarray(stored).data)
    name, count = content.hexdigest(), geometry.shape[0]
    return SourceRef(
        format=kind,
        modality="",
        study_uid=f"{kind}-{name[:32]}",
        series_uid=f"{kind}-{name[:32]}",
        instance_uids=tuple(f"{kind}-{hashlib.sha256(f'{name} {k}'.encode()).hexdigest()[:32]}" for k in range(count)),
        files=(path,) * count,
        sha256=(sha256,) * count,
        identity="declared" if nameless else "unknown",
    )
