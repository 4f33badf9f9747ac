"""The README's picture: source, regions, result and difference of one variant, side by side.

python tests/benchmarks/readme_picture.py demo/output/variants/KEY --out docs/images/variant.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

PANELS = ("source", "regions", "result", "difference")
SIDE, GAP = 320, 8  # px


def side_by_side(variant: Path) -> Image.Image:
    """The four previews at one size; the scale below the difference is cut off."""
    opened = [Image.open(variant / "preview" / f"{name}.png").convert("RGB") for name in PANELS]
    width, height = opened[0].size
    made = Image.new("RGB", (len(PANELS) * (SIDE + GAP) - GAP, round(SIDE * height / width)), "white")
    for number, panel in enumerate(opened):
        made.paste(panel.crop((0, 0, width, height)).resize((SIDE, made.height)), (number * (SIDE + GAP), 0))
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    side_by_side(options.variant).save(options.out, optimize=True)
