"""Side markers and burned-in text on a radiograph: things with sharp edges and one brightness.

Lead letters and letters that software writes end within a pixel or two and are as bright at one end as at the other;
ribs, cortical bone and vessels end softly and change along their length. What is white and small is kept as it is
anywhere, so screws, pins and the edges of casts are, too. A grey letter is believed near the frame's sides only, where
markers are put, or in a row of at least three of one size.

Brightness is as shown. Lengths are shares of the frame's longer side, heights shares of the brightness range. They were
set on 45 limb and 30 chest radiographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Float32, Mask
from medaug.regions.domains.morphology import (
    ShownRadiograph,
    enlarged,
    greatest_around,
    labelled,
    least_around,
)

LONGEST = 768  # px; letters are thin
WHITE, CONTRAST, SMALL = 0.85, 0.35, 0.005  # white things: brightness, height above what is around, share of the frame
STROKE = 1 / 14  # what is wider isn't a letter's stroke
FAINT, CLEAR = 0.15, 0.30  # height above what is around: of a letter in a row; of one that stands alone
SHARP = 0.60  # step within 3 px over height: letters have 0.6-1.0, ribs 0.3-0.5
EVEN = 0.20  # spread of the brightness along the strokes over height
LEAST, MOST, TALL = 0.012, 0.15, 0.06  # a letter's size; the most for one in a row: three metacarpals stand so, too
RIM = 0.15  # where letters that stand alone are believed: distance from a side over the frame's size across
MARGIN = 0.008


@dataclass(frozen=True)
class Letter:
    """A thing that may be a letter: its box in px of the reduction and its height in the brightness range."""

    top: int
    bottom: int
    left: int
    right: int
    height: float

    @property
    def tall(self) -> int:
        """Extent across rows, px."""
        return self.bottom - self.top


def without_markers(frame: ShownRadiograph) -> Mask:
    """All but side markers, burned-in text, and other small white things, with a margin; (rows, columns)."""
    marked, factor = marks_of(frame)
    return enlarged(~marked, factor, frame.shape)


def marks_of(frame: ShownRadiograph) -> tuple[Mask, int]:
    """`marks` of a frame that is reduced to `LONGEST` px, and the factor of that."""
    _, factor = frame.reduced(LONGEST)
    return frame.once(marks, lambda: marks(frame.normalised(LONGEST))), factor


def marks(x: Float32) -> Mask:
    """Where markers and text lie, on an image that is small and normalised already."""
    marked = white(x)
    longest = max(x.shape)
    margin = max(2, round(MARGIN * longest))
    letters = sharp_things(x)
    for one in letters:
        if (one.height > CLEAR and _near_a_side(one, x.shape)) or _in_a_row(one, letters, TALL * longest):
            marked[max(0, one.top - margin) : one.bottom + margin, max(0, one.left - margin) : one.right + margin] = (
                True
            )
    return marked


def white(x: Float32) -> Mask:
    """Small white things that are far brighter than what is around, grown by 4 px."""
    from scipy import ndimage

    labels, _ = labelled(x > WHITE)
    marked = np.zeros(x.shape, dtype=np.bool_)
    for n, spans in enumerate(ndimage.find_objects(labels), 1):
        around = tuple(slice(max(0, s.start - 6), s.stop + 6) for s in spans)
        thing = labels[around] == n
        if 3 <= thing.sum() <= SMALL * x.size:
            ring = ndimage.binary_dilation(thing, iterations=5) & ~ndimage.binary_dilation(thing, iterations=2)
            if ring.any() and x[around][thing].mean() - np.median(x[around][ring]) > CONTRAST:
                marked[around] |= thing
    return np.asarray(ndimage.binary_dilation(marked, np.ones((3, 3)), iterations=4)) if marked.any() else marked


def sharp_things(x: Float32) -> list[Letter]:
    """Letter-sized things above what is around, with sharp edges and one brightness."""
    from scipy import ndimage

    longest = max(x.shape)
    stroke = max(7, int(STROKE * longest)) | 1
    above = x - greatest_around(least_around(x, stroke), stroke)
    highest = greatest_around(x, 3)
    steps = highest - least_around(x, 3)
    labels, _ = labelled(above > FAINT)
    letters = []
    for n, spans in enumerate(ndimage.find_objects(labels), 1):
        size = max(span.stop - span.start for span in spans)
        if not max(4, LEAST * longest) <= size <= MOST * longest:
            continue
        thing = labels[spans] == n
        height = float(np.percentile(above[spans][thing], 90))
        if _like_a_letter(thing & (above[spans] > height / 2), steps[spans] / height, highest[spans] / height):
            letters.append(Letter(spans[0].start, spans[0].stop, spans[1].start, spans[1].stop, height))
    return letters


def _like_a_letter(core: Mask, steps: npt.NDArray[np.floating], highest: npt.NDArray[np.floating]) -> bool:
    """Whether a thing's edge is sharp and its brightness even; both in units of its height."""
    from scipy import ndimage

    if core.sum() < 6:
        return False
    rim = core & ~ndimage.binary_erosion(core)
    return bool(np.median(steps[rim]) > SHARP and highest[core].std() < EVEN)


def _near_a_side(one: Letter, shape: tuple[int, ...]) -> bool:
    across = (one.top + one.bottom) / 2 / shape[0], (one.left + one.right) / 2 / shape[1]
    return min(min(at, 1 - at) for at in across) < RIM


def _in_a_row(one: Letter, letters: list[Letter], tallest: float) -> bool:
    """Whether at least two others of its size and brightness stand on its line, each near the next."""
    if one.tall > tallest:
        return False
    line = sorted((other for other in letters if _same_size(one, other)), key=lambda other: other.left)
    at = line.index(one)
    reach = 1.5 * one.tall
    near = [other.left - before.right < reach for before, other in pairwise(line)]
    count = 1
    for side in (near[at:], near[:at][::-1]):
        count += next((n for n, joined in enumerate(side) if not joined), len(side))
    return count >= 3


def _same_size(one: Letter, other: Letter) -> bool:
    level = abs(one.bottom - other.bottom) <= 0.3 * one.tall and abs(one.top - other.top) <= 0.3 * one.tall
    return level and abs(one.height - other.height) <= 0.25 * one.height
