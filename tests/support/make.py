"""What the tests read: phantoms as files, and volumes in memory."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from examples.files import SOP_CLASSES, uid
from medaug.imaging.geometry import Geometry, Shape, planar
from medaug.imaging.volume import Rescale, SourceRef, Volume, Window
from tests.support.phantoms import body, lesion, limb, radiograph, seg, series

__all__ = ["SOP_CLASSES", "body", "lesion", "limb", "radiograph", "seg", "series", "uid", "volume"]


def volume(shape: Shape = (1, 64, 64), *, seed: int = 0, dtype: Any = np.uint16, **overrides: Any) -> Volume:
    """A volume in memory: a radiograph when it has one slice, else a CT.

    Args:
        shape: (slices, rows, columns).
        seed: another seed is another patient.
        dtype: of the stored values; 12 bits are used where they fit.
        overrides: any field of `Volume`, taken as it is.
    """
    flat = shape[0] == 1
    info = np.iinfo(dtype)
    top = min(info.max, 4095)
    values = limb(*shape[1:], seed=seed)[None] * top if flat else np.clip(body(shape, seed=seed) + 1024, 0, top)
    affine = np.array([[0, 0, 0.8, -30], [0, 0.8, 0, -25], [3, 0, 0, -100], [0, 0, 0, 1]], dtype=np.float64)
    uids = tuple(uid("volume", seed, k) for k in range(shape[0]))
    built = Volume(
        stored=np.rint(values).astype(dtype),
        geometry=planar(shape[1], shape[2], (0.2, 0.2)) if flat else Geometry(shape, affine, "patient", uid("frame")),
        rescale=(Rescale(1.0, 0.0 if flat else -1024.0, "" if flat else "HU"),) * shape[0],
        window=Window.spanning(0, top) if flat else Window(40, 400),
        stored_range=(max(info.min, 0), top),
        padding=None,
        inverted=False,
        source=SourceRef(
            format="dicom",
            modality="CR" if flat else "CT",
            study_uid=uid("volume", seed, "study"),
            series_uid=uid("volume", seed, "series"),
            instance_uids=uids,
            files=tuple(Path(f"{k}.dcm") for k in range(shape[0])),
            sha256=tuple(f"{uuid.uuid5(uuid.NAMESPACE_OID, u).int:064x}" for u in uids),
            identity="declared",
        ),
    )
    return replace(built, **overrides)
