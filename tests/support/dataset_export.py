"""Data sets that `medaug export` makes, and what their pictures should show."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from medaug.cli import app
from tests.support.sound_output import records


def export(*words: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, words)])


def pictured(output: Path) -> dict[str, list[tuple[str, tuple[int, int, int, int]]]]:
    """Stem of a picture → its boxes by label, (x, y, width, height) in px."""
    found: dict[str, list[tuple[str, tuple[int, int, int, int]]]] = {}
    for record in records(output):
        for box in record.boxes:
            for k in range(box.start[0], box.stop[0]):
                place = (box.start[2], box.start[1], box.shape[2], box.shape[1])
                found.setdefault(f"{record.unit[:16]}-{k:04d}", []).append((box.label, place))
    return found
