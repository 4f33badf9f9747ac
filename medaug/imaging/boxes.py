"""Labelled boxes on the voxel grid: half-open, on voxel edges (see `geometry`)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from typing import Any, Literal

from medaug.imaging.geometry import Shape

OWN_SCHEME = "99MEDAUG"  # the private coding scheme of what medaug itself has to name
# A box may be drawn a little over its image's edge. One that reaches farther than this, and than this part of the side,
# stands in another frame or unit, or its numbers mean something else, such as corners for a size.
MAX_BEYOND_PX, MAX_BEYOND = 8.0, 0.1

Misfit = Literal["outside", "beyond"]  # nothing of a box lies inside its image; it reaches far beyond it


@dataclass(frozen=True)
class Code:
    """What a label means in a coding scheme, as the annotation states it (PS3.3 8.8).

    Attributes:
        value: the code, such as ``4147007``.
        scheme: the coding scheme's designator, such as ``SCT``.
        meaning: its text, such as ``Mass``.
    """

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Box:
    """A labelled box: ``array[box.slices]`` is the lesion. Boxes have an order, by these attributes in turn.

    Attributes:
        start: first voxel inside, (k, i, j).
        stop: first voxel outside, (k, i, j); greater than ``start`` on every axis.
        label: the class by name.
        id: the annotation's own identifier where it has one; never a person's.
        code: the label's coded meaning where the annotation states one.
    """

    start: Shape
    stop: Shape
    label: str
    id: str = ""
    code: Code | None = field(default=None, metadata={"optional": True})

    def __post_init__(self) -> None:
        if any(low < 0 or low >= high for low, high in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"box {self.label!r}: expected 0 ≤ start < stop, got {self.start}…{self.stop}")

    def __lt__(self, other: Box) -> bool:
        return self._place < other._place

    @property
    def _place(self) -> tuple[object, ...]:
        code = (self.code.scheme, self.code.value, self.code.meaning) if self.code else ()
        return self.start, self.stop, self.label, self.id, code

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as an index of an array (k, i, j)."""
        k, i, j = (slice(low, high) for low, high in zip(self.start, self.stop, strict=True))
        return k, i, j

    @property
    def shape(self) -> Shape:
        """Voxels along (k, i, j)."""
        k, i, j = (high - low for low, high in zip(self.start, self.stop, strict=True))
        return k, i, j

    def grown(self, margin: Shape, limit: Shape) -> Box:
        """The box with ``margin`` voxels added on both sides of each axis, cut at ``limit``."""
        k, i, j = (max(0, a - m) for a, m in zip(self.start, margin, strict=True))
        k_stop, i_stop, j_stop = (min(n, b + m) for b, m, n in zip(self.stop, margin, limit, strict=True))
        return replace(self, start=(k, i, j), stop=(k_stop, i_stop, j_stop))


def plain(box: Box) -> dict[str, Any]:
    """The box as JSON data. One without a code has no such key, so it is spelt, and digested, as if there were none."""
    data = asdict(box)
    if box.code is None:
        del data["code"]
    return data


def label_code(label: str) -> str:
    """The value, in `OWN_SCHEME`, of a label that has no code of its own; made from the whole label."""
    return "L" + hashlib.sha256(label.encode()).hexdigest()[:15].upper()


def distinct_codes(boxes: Iterable[Box]) -> list[Code]:
    """The codes that boxes carry, each once, in order of scheme, value and meaning."""
    return _ordered({box.code for box in boxes if box.code})


def _ordered(codes: Iterable[Code]) -> list[Code]:
    return sorted(codes, key=attrgetter("scheme", "value", "meaning"))


Coded = dict[str, set[Code]]


def coded(boxes: Iterable[Box], found: Coded) -> Coded:
    """Label → the codes that its boxes carry, added to what was found before."""
    for box in boxes:
        found.setdefault(box.label, set()).update([box.code] if box.code else [])
    return found


def code_of_each(found: Coded) -> dict[str, list[dict[str, str]]]:
    """What `coded` found as JSON data, in order; labels without a code are left out."""
    return {label: [asdict(code) for code in _ordered(found[label])] for label in sorted(found) if found[label]}


def codes_by_label(boxes: Iterable[Box]) -> dict[str, list[dict[str, str]]]:
    """Label → the codes that its boxes carry, as JSON data; labels without one are left out."""
    return code_of_each(coded(boxes, {}))


def enclosing(
    low: Sequence[float],
    high: Sequence[float],
    limit: Shape,
    label: str,
    identifier: str = "",
    code: Code | None = None,
) -> Box | Misfit:
    """The smallest box on voxel edges that holds a continuous one.

    Rounds outward, so that no part of a lesion falls outside, and cuts what was drawn a little over the image's edge.

    Args:
        low: lower corner (k, i, j), in edge coordinates: voxel 0 reaches from 0.0 to 1.0.
        high: upper corner (k, i, j), likewise.
        limit: the image's shape.
        label: the class by name.
        identifier: the annotation's own identifier.
        code: the label's coded meaning.

    Returns:
        The box, or why its numbers can't be what they are taken for. Who means a part of a box cuts it before.
    """
    tolerance = 1e-6  # 10.0000001 from a division is an edge, not a tenth voxel
    start = [max(0, math.floor(a + tolerance)) for a in low]
    stop = [min(n, math.ceil(b - tolerance)) for b, n in zip(high, limit, strict=True)]
    if any(a >= b for a, b in zip(start, stop, strict=True)):
        return "outside"
    if _far_outside(low, high, limit):
        return "beyond"
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), label, identifier, code)


def _far_outside(low: Sequence[float], high: Sequence[float], limit: Shape) -> bool:
    reach = zip(low, high, limit, strict=True)
    return max(max(-a, b - side) / max(MAX_BEYOND_PX, MAX_BEYOND * side) for a, b, side in reach) > 1
