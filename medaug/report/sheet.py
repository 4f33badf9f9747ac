"""A contact sheet, as PNG and HTML: a row for each source, with its regions and a variant for each strength."""

from __future__ import annotations

import base64
import html
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume, Window
from medaug.quality import Check
from medaug.report.pictures import PANEL, TEXT, Backdrop, write_previews
from medaug.storage.plain_files import open_plain

SIDE, CAPTION, GAP = 320, 18, 6  # px: of a picture, of the line below it, between pictures
STYLE = (
    "body{font:14px system-ui,sans-serif;background:#16181c;color:#d6d9de;margin:2em}img{max-width:100%}"
    ".wide{overflow-x:auto}td,th{padding:.2em .6em;text-align:left;border-bottom:1px solid #333}.no{color:#f5821e}"
)


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture of the sheet with the line below it."""

    picture: Image.Image
    caption: str


@dataclass(frozen=True, eq=False)
class Tried:
    """A variant on the sheet.

    Attributes:
        source: the source's short key.
        strength: as it was asked for.
        checks: its checks.
    """

    source: str
    strength: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """How many checks it passed, or which it failed."""
        failed = [check.name for check in self.checks if not check.passed]
        return f"fails {', '.join(failed)}" if failed else f"{len(self.checks)} checks passed"


def row(
    source: Volume,
    results: Sequence[tuple[Tried, Volume]],
    boxes: Sequence[Box],
    window: Window,
    regions: tuple[Mask, Mask, Mask],
) -> list[Cell]:
    """The source, its regions, and the variants.

    Args:
        source: the real volume.
        results: what was tried, and the variants.
        boxes: the labels; the largest decides which slice is shown.
        window: what is shown.
        regions: (k, i, j) masks: protected, observed, domain.
    """
    protected, observed, domain = regions
    backdrop = Backdrop.of(source, protected, boxes, window, domain)
    name = results[0][0].source
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (tried, result) in enumerate(results):
            place = Path(folder) / str(number)
            write_previews(place, backdrop, result=result, dust=observed & ~protected)
            if not cells:
                free = f"regions, {100 * (1 - np.mean(protected)):.0f} % free"
                cells = [_cell(place / "source.png", f"source {name}"), _cell(place / "regions.png", free)]
            cells.append(_cell(place / "result.png", f"{tried.strength}: {tried.verdict}"))
    return cells


def png(rows: Sequence[Sequence[Cell]]) -> bytes:
    """All rows on one picture."""
    width = max(map(len, rows)) * (SIDE + GAP) + GAP
    height = len(rows) * (SIDE + CAPTION + GAP) + GAP
    sheet = Image.new("RGB", (width, height), PANEL)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for i, cells in enumerate(rows):
        for j, cell in enumerate(cells):
            left, top = GAP + j * (SIDE + GAP), GAP + i * (SIDE + CAPTION + GAP)
            sheet.paste(cell.picture, (left, top))
            pen.text((left + 2, top + SIDE + 2), cell.caption[:60], fill=TEXT, font=font)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def page(picture: bytes, tried: Sequence[Tried], title: str) -> str:
    """The sheet with a table of all checks; it loads nothing from elsewhere."""
    # a row for each check and a column for each variant, which are fewer: it fits a screen, or scrolls by itself
    sources = [(name, len(list(group))) for name, group in groupby(one.source for one in tried)]
    lines = [_line("source", [f'<th colspan="{count}">{html.escape(name)}</th>' for name, count in sources])]
    lines += [_line("strength", [f"<th>{html.escape(one.strength)}</th>" for one in tried])]
    for number, check in enumerate(tried[0].checks):
        lines.append(_line(html.escape(check.name), [_figure(one.checks[number]) for one in tried]))
    data = base64.b64encode(picture).decode()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        "<p>These images are synthetic, and not anonymous: their protected pixels are the patient's own.</p>"
        f'<img alt="sources, regions, variants" src="data:image/png;base64,{data}">'
        f'<div class="wide"><table>{"".join(lines)}</table></div></html>\n'
    )


def _line(name: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'


def _figure(check: Check) -> str:
    return f'<td class="{"" if check.passed else "no"}">{check.value:.3g}</td>'


def _cell(path: Path, caption: str) -> Cell:
    with open_plain(path) as file, Image.open(file) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    return Cell(picture, caption)
