"""Masks → boxes: one for each connected component."""

from __future__ import annotations

import numpy as np

from medaug.errors import AnnotationError
from medaug.imaging.geometry import Shape
from medaug.imaging.volume import Mask

MAX_COMPONENTS = 10_000  # more is noise, not lesions

Span = tuple[Shape, Shape]  # half-open, (k, i, j)


def component_spans(marked: Mask, where: str) -> list[Span]:
    """The half-open spans of the components of a 3-D mask; voxels that touch at a corner belong together.

    Raises:
        AnnotationError: there are more than `MAX_COMPONENTS`.
    """
    from scipy import ndimage

    used = [np.flatnonzero(marked.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not used[0].size:
        return []
    offset = [int(axis[0]) for axis in used]
    crop = marked[tuple(slice(int(axis[0]), int(axis[-1]) + 1) for axis in used)]
    labelled, count = ndimage.label(crop, structure=np.ones((3, 3, 3), dtype=np.bool_))
    if count > MAX_COMPONENTS:
        raise AnnotationError(
            f"{where}: expected at most {MAX_COMPONENTS} separate parts, found {count}; is it a mask?"
        )
    return [_shifted(found, offset) for found in ndimage.find_objects(labelled)]


def _shifted(found: tuple[slice, slice, slice], offset: list[int]) -> Span:
    k, i, j = ((int(s.start) + o, int(s.stop) + o) for s, o in zip(found, offset, strict=True))
    return (k[0], i[0], j[0]), (k[1], i[1], j[1])
