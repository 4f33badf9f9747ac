"""How alike variants are to one another and to their source, by their previews.

Two images of different sources are near-duplicates by the fingerprints that keep training and benchmark apart
(`image_pool.fingerprints`). Variants of one source share most of their anatomy, so that fingerprints of 16 × 16 cells
can't tell them: those are compared by the share of the free region that differs by more than noise, as the check
``changed_share`` compares a variant with its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from medaug.audit.layout import PREVIEW, unit_folder
from medaug.benchmark.realism.patches import SlicePair
from medaug.benchmark.realism.variety import share_of
from medaug.errors import OutputError
from medaug.imaging.resample import block_means
from medaug.imaging.volume import Float32, Mask
from medaug.report.pictures import PROTECTED, SHADES, TINTS
from medaug.storage.plain_files import open_plain
from medaug.training.image_pool import fingerprints, on_canvas

LONGEST = 256  # px, about: as the checks that see what a person sees
SIDE = 256  # px of the square that fingerprints are taken of
LEVELS = 255


class Likeness:
    """Reads previews when they are asked for.

    Args:
        root: OUTPUT.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.print_of = lru_cache(maxsize=None)(self._print)  # 30 bytes each

    def nearest(self, one: str, others: Sequence[str]) -> int:
        """Bits of 240 in which a unit's fingerprint differs from the nearest of others'; there is at least one."""
        prints = np.stack([self.print_of(other) for other in others])
        return int(np.bitwise_count(prints ^ self.print_of(one)).sum(axis=1, dtype=np.int32).min())

    def share(self, one: str, other: str) -> float:
        """Share of the free region in which two variants of one source differ by more than noise; 1 for none."""
        first, second = (self._grey(unit) for unit in (one, other))
        free = self._free(one)
        if first.shape != second.shape or not free.any():
            return 1.0
        return share_of(SlicePair("", first, second, free))

    def _print(self, unit: str) -> npt.NDArray[np.uint8]:
        canvas, _ = on_canvas(self._picture(unit, "result").convert("L"), SIDE)
        found: npt.NDArray[np.uint8] = fingerprints(canvas[None])[0]
        return found

    def _grey(self, unit: str) -> Float32:
        shown = np.asarray(self._picture(unit, "result").convert("L"), dtype=np.float32)
        return _reduced(shown) / np.float32(LEVELS)

    def _free(self, unit: str) -> Mask:
        """Where its regions.png shows no protected pixel; its entries say what a pixel is."""
        entries = np.asarray(self._picture(unit, "regions"))
        free = (entries // SHADES != PROTECTED) & (entries < len(TINTS) * SHADES)
        return _reduced(free.astype(np.float32)) > 0.99

    def _picture(self, unit: str, name: str) -> Image.Image:
        try:
            path = self._root / unit_folder(unit) / PREVIEW / f"{name}.png"
            with open_plain(path, follow=False) as file, Image.open(file) as image:
                image.load()
                return image.copy()
        except OSError:
            raise OutputError(f"unit {unit[:16]}: its preview {name}.png can't be read; verify it") from None


def _reduced(plane: Float32) -> Float32:
    factor = max(1, round(max(plane.shape) / LONGEST))
    rows, columns = (n // factor * factor for n in plane.shape)
    return block_means(plane[:rows, :columns], factor) if factor > 1 else plane
