"""Four small pictures of a variant: the source, what was kept, the result, and what changed."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from medaug.imaging.boxes import Box
from medaug.imaging.resample import block_means
from medaug.imaging.volume import Float32, Mask, Volume, Window
from medaug.report.picture_size import LONGEST, SHORTEST

NAMES: tuple[str, ...] = ("source", "regions", "result", "difference")
OF_A_COPY: tuple[str, ...] = ("source", "regions", "result")  # of which nothing was generated
Bytes = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

KEPT: Color = (64, 132, 255)
DUST: Color = (255, 210, 40)
BOX: Color = (255, 255, 255)
DOMAIN: Color = (60, 220, 110)
SHADOW: Color = (0, 0, 0)
DARKER: Color = (30, 110, 230)
UNCHANGED: Color = (128, 128, 128)
BRIGHTER: Color = (245, 130, 20)
PANEL: Color = (22, 24, 28)
TEXT: Color = (214, 217, 222)

TINTS = ((KEPT, 0.0), (KEPT, 0.38), (DUST, 0.42), (DUST, 0.85))  # colour and strength of what a shown pixel is:
FREE, PROTECTED, SPECKED, DUSTY = range(len(TINTS))
SHADES = 63  # grey levels of each; all that PNG's palettes hold
OUTLINES = (DOMAIN, BOX, SHADOW)  # the entries behind them
SCALE = 0.25  # of the window: where the difference reaches full colour
LEVELS = 126  # of change, each way; the palette's last two entries are TEXT and PANEL


@dataclass(frozen=True)
class _View:
    """A slice, and the size it is shown in: square pixels, ``LONGEST`` px at most.

    Attributes:
        slice: its number.
        factor: native pixels that are averaged first, along both axes.
        width: in shown pixels.
        height: likewise.
        across: shown pixels per native column.
        down: shown pixels per native row.
    """

    slice: int
    factor: int
    width: int
    height: int
    across: float
    down: float

    def shrink(self, plane: npt.NDArray[Any]) -> Float32:
        """Average numbers or a mask (rows, columns) over the shown pixels, or repeat them where there are more."""
        small = block_means(plane, self.factor) if self.factor > 1 else plane.astype(np.float32)
        if small.shape == (self.height, self.width):
            return small
        sized = Image.fromarray(small).resize((self.width, self.height), Image.Resampling.BOX)
        return np.asarray(sized, dtype=np.float32)

    def corners(self, box: Box) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the box's edges, in shown pixels, both ends inside the picture."""
        (_, top, left), (_, bottom, right) = box.start, box.stop
        x, y = self.across, self.down
        return round(left * x), round(top * y), max(0, round(right * x) - 1), max(0, round(bottom * y) - 1)


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What the pictures of all variants of one source share, at the size they are shown in.

    Attributes:
        view: the slice and the size.
        boxes: that are shown.
        window: what is shown.
        source: where every pixel of the source, moved where it was, lies in the window, averaged; not cut.
        file: source.png.
        shades: of the source, from 0 to ``SHADES`` - 1.
        protected: what is mostly kept.
        edge: of the domain.
    """

    view: _View
    boxes: tuple[Box, ...]
    window: Window
    source: Float32
    file: bytes
    shades: Bytes
    protected: Mask
    edge: Mask

    @classmethod
    def of(
        cls,
        source: Volume,
        protected: Mask,
        boxes: Sequence[Box],
        window: Window,
        domain: Mask | None = None,
        before: Volume | None = None,
    ) -> Backdrop:
        """The backdrop of a source.

        Args:
            source: the real volume.
            protected: (k, i, j), True where nothing may change.
            boxes: the labels; the largest decides which slice is shown.
            window: what is shown.
            domain: (k, i, j), where the profile lets voxels change; None for everywhere.
            before: the moved source, which all but source.png is laid over; None for the source itself.
        """
        view = _view(source, boxes)
        shown = tuple(box for box in boxes if box.start[0] <= view.slice < box.stop[0])
        grey = _grey(before or source, window, view)
        real = grey if before is None or before is source else _grey(source, window, view)
        inside = np.ones_like(grey) if domain is None else view.shrink(domain[view.slice])
        return cls(
            view=view,
            boxes=shown,
            window=window,
            source=grey,
            file=_png(_levels(real, 256), _entries(_shades(256))),
            shades=_levels(grey, SHADES),
            protected=view.shrink(protected[view.slice]) >= 0.5,
            edge=_edge(inside >= 0.5),
        )


class Backdrops:
    """The backdrop that was asked for last: the variants of a source are written one after the other.

    Nothing depends on what is kept, some 5 MB at most; volumes and masks are not.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[ReferenceType[Any], ...], object, Backdrop] | None = None

    def of(
        self,
        source: Volume,
        protected: Mask,
        boxes: Sequence[Box],
        window: Window,
        domain: Mask,
        before: Volume | None = None,
    ) -> Backdrop:
        """`Backdrop.of`, or the same as last time: for the same volumes and masks, by identity."""
        given, key, last = (source, protected, domain, before or source), (tuple(boxes), window), self._last
        same = last is not None and all(kept() is one for kept, one in zip(last[0], given, strict=True))
        if last is None or not same or last[1] != key:
            made = Backdrop.of(source, protected, boxes, window, domain, before)
            self._last = last = (tuple(ref(one) for one in given), key, made)
        return last[2]


def write_previews(folder: Path, backdrop: Backdrop, *, result: Volume, dust: Mask, names: Sequence[str] = ()) -> None:
    """Write source.png, regions.png, result.png and difference.png into ``folder``.

    A volume is shown by the slice through the middle of its largest box. Grey levels are those of the window, bright is
    high (MONOCHROME1 is flipped), pixels that are not square are stretched to be; where a picture is smaller than the
    slice, levels are averaged and then cut. In the regions, blue is mostly protected, yellow is observed but repainted
    (faint where that is less than half of a shown pixel), untinted is free, boxes are outlined in white and the domain
    in green where it has an edge. In the difference, mid-grey is unchanged, orange brighter, blue darker; its ends, a
    quarter of the window away, are written below it. Pictures hold palettes. Same inputs, same bytes.

    Args:
        folder: made when missing.
        backdrop: of the source.
        result: the variant, on the source's grid.
        dust: voxels that guided the solve and are not protected.
        names: of the pictures that are written; all if left out.
    """
    view, window = backdrop.view, backdrop.window
    after = _grey(result, window, view)
    change, palette = _difference(after - backdrop.source, window, result.rescale[view.slice].units)
    files = {
        "source": backdrop.file,
        "regions": _png(_regions(backdrop, view.shrink(dust[view.slice])), _tinted()),
        "result": _png(_levels(after, 256), _entries(_shades(256))),
        "difference": _png(change, palette),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        (folder / f"{name}.png").write_bytes(files[name])


def _view(volume: Volume, boxes: Sequence[Box]) -> _View:
    slices, rows, columns = volume.geometry.shape
    largest = max(boxes, key=lambda box: (np.prod(box.shape), box), default=None)
    middle = (largest.start[0] + largest.stop[0] - 1) // 2 if largest else (slices - 1) // 2
    _, row_step, column_step = volume.geometry.spacing
    known = row_step > 0 and column_step > 0
    down, across = np.array([row_step, column_step]) / min(row_step, column_step) if known else (1.0, 1.0)
    longest = max(rows * down, columns * across)
    factor = max(1, math.ceil(longest / LONGEST) if down == across else int(longest / LONGEST))
    height, width = -(-rows // factor) * down, -(-columns // factor) * across
    longest = max(height, width)
    zoom = max(1, math.ceil(SHORTEST / longest)) if longest <= LONGEST else LONGEST / longest
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    return _View(middle, factor, *size, float(across) * zoom / factor, float(down) * zoom / factor)


def _grey(volume: Volume, window: Window, view: _View) -> Float32:
    """The shown pixels' place in the window: 0 is black, 1 is white; not cut, so that differences show beyond the ends.

    Stored numbers are averaged, and the few that are left are scaled.
    """
    rescale, stored = volume.rescale[view.slice], volume.stored[view.slice]
    # one multiplication and one addition per pixel: (stored · slope + intercept - low) / width
    gain = rescale.slope / window.width
    offset = (rescale.intercept - window.low) / window.width
    values = stored if volume.lut is None else volume.lut.apply(stored)
    grey: Float32 = view.shrink(values) * np.float32(gain) + np.float32(offset)
    return np.float32(1) - grey if volume.inverted else grey


def _levels(grey: Float32, count: int) -> Bytes:
    """Grey from 0 to 1, cut there, as whole numbers from 0 to ``count`` - 1."""
    return np.rint(np.clip(grey, 0, 1) * (count - 1)).astype(np.uint8)


def _edge(inside: Mask) -> Mask:
    """The pixels of a mask with a neighbour that is none of it; the picture's border is no edge."""
    padded = np.pad(inside, 1, mode="edge")
    middle, rows, columns = padded[1:-1, 1:-1], padded[:, 1:-1], padded[1:-1, :]
    return middle & ~(rows[:-2] & rows[2:] & columns[:, :-2] & columns[:, 2:])


def _regions(backdrop: Backdrop, dust: Float32) -> Bytes:
    """What each shown pixel is, tinted over the source, and the outlines; a speck of dust is seen when shrunk."""
    kind = np.where(backdrop.protected, np.uint8(PROTECTED), np.uint8(FREE))
    kind[dust > 0] = SPECKED
    kind[dust >= 0.5] = DUSTY
    shown = kind * np.uint8(SHADES) + backdrop.shades
    domain, outer, inner = (len(TINTS) * SHADES + n for n in range(len(OUTLINES)))
    shown[backdrop.edge] = domain
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    for box in backdrop.boxes:
        left, top, right, bottom = backdrop.view.corners(box)
        for out, line in ((2, inner), (1, outer), (0, outer)):
            edges = (left - out, top - out, max(left, right) + out, max(top, bottom) + out)
            draw.rectangle(edges, outline=line)
    return np.asarray(image)


def _png(entries: Bytes, palette: Sequence[int]) -> bytes:
    """Entries of a palette as a PNG file, packed as runs and by frequency.

    Grey levels would take 0.4 to 0.8 of the bytes and three times as long: an encoder tries five ways to predict each
    of their lines, and none where they are entries.
    """
    image = Image.fromarray(entries)
    image.putpalette(palette)  # grey levels become its entries
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def _difference(change: Float32, window: Window, units: str) -> tuple[Bytes, list[int]]:
    """A palette picture of changes within ± ``SCALE`` windows, with its scale below it; and its palette."""
    height, width = change.shape
    letters = max(11, round(width / 30))  # px; the page shows pictures at less than half their size
    text, panel = 2 * LEVELS + 1, 2 * LEVELS + 2
    canvas = np.full((height + round(2.7 * letters), max(width, 300)), panel, dtype=np.uint8)
    canvas[:height] = LEVELS
    canvas[:height, :width] = np.rint((1 + np.clip(change / SCALE, -1, 1)) * LEVELS)
    canvas[-4 - letters // 2 : -4, 8:-8] = np.rint(np.linspace(0, 2 * LEVELS, canvas.shape[1] - 16))
    image = Image.fromarray(canvas).convert("P")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(letters)
    draw.fontmode = "1"  # a palette has no half-tones for smooth letters
    by, right = f"by {window.width * SCALE:.4g} {_plain(units)}".strip(), canvas.shape[1] - 8
    for words, x, anchor in ((f"darker {by}", 8, "ls"), ("0", right / 2 + 4, "ms"), (f"brighter {by}", right, "rs")):
        draw.text((x, height + 1.35 * letters), words, fill=text, font=font, anchor=anchor)
    return np.asarray(image), _changes()


def _shades(count: int) -> npt.NDArray[np.float64]:
    return np.repeat(np.linspace(0, 255, count)[:, None], 3, axis=1)


def _tinted() -> list[int]:
    """``SHADES`` of each of ``TINTS``, then ``OUTLINES``."""
    grey = _shades(SHADES)
    colors = [grey + strength * (np.array(tint) - grey) for tint, strength in TINTS]
    return _entries(np.concatenate([*colors, np.array(OUTLINES)]))


def _changes() -> list[int]:
    """From darker over unchanged (entry ``LEVELS``) to brighter, then the text and the panel."""
    steps = np.linspace(-1, 1, 2 * LEVELS + 1)[:, None]
    middle, low, high = (np.array(color, dtype=np.float64) for color in (UNCHANGED, DARKER, BRIGHTER))
    colors = middle + np.abs(steps) * (np.where(steps < 0, low, high) - middle)
    return _entries(np.concatenate([colors, [TEXT, PANEL]]))


def _entries(colors: npt.NDArray[np.float64]) -> list[int]:
    """Colours (n, 3) as a palette's bytes."""
    return np.rint(colors).astype(int).ravel().tolist()


def _plain(units: str) -> str:
    """Units as far as a bitmap font has them; they come from a file's header."""
    return "".join(c for c in units if " " < c <= "~")[:8]
