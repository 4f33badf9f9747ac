"""What each arm adds, to look at: a row of pictures an arm, of the same real images, with their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from medaug.benchmark.images.dataset import Picture

SIDE, NAME = 144, 18  # px of a picture, and of the line above a row
WIDE = 6  # pictures in a row
BOX = (255, 196, 0)


def examples(rows: Mapping[str, Sequence[Picture]]) -> bytes:
    """A sheet as PNG: under each name its first `WIDE` pictures.

    Args:
        rows: arms by name, in order, each with what it adds.
    """
    sheet = Image.new("RGB", (WIDE * SIDE, len(rows) * (SIDE + NAME)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for row, (name, pictures) in enumerate(rows.items()):
        top = row * (SIDE + NAME)
        pen.text((4, top + 3), name, "black", font=font)
        for column, picture in enumerate(pictures[:WIDE]):
            sheet.paste(_shown(picture), (column * SIDE, top + NAME))
    made = BytesIO()
    sheet.save(made, format="PNG", optimize=True)
    return made.getvalue()


def _shown(picture: Picture) -> Image.Image:
    shown = Image.fromarray(picture.pixels).convert("RGB").resize((SIDE, SIDE))
    pen, scale = ImageDraw.Draw(shown), SIDE / len(picture.pixels)
    for corners in picture.boxes.corners:
        pen.rectangle([round(float(edge) * scale) for edge in corners], outline=BOX)
    return shown
