"""COCO run-lengths: how many pixels are 0, then 1, then 0 …, down the columns; plain or as a string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medaug.annotations.parsing import whole
from medaug.errors import AnnotationError

MAX_RUNS = 10_000_000


def span(encoded: dict[str, Any], where: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners (x, y) of the rectangle around the pixels that are 1.

    Args:
        encoded: ``{"size": [height, width], "counts": [...] or "..."}``.
        where: how messages name it.

    Raises:
        AnnotationError: malformed, of another length than its size, or empty.

    Source: the format as pycocotools writes it; it was checked against that package.
    """
    size = encoded.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise AnnotationError(f"{where}: expected run-lengths with size as [height, width]")
    height, width = (whole(n, where, "size") for n in size)
    counts = encoded.get("counts")
    runs = _decoded(counts, where) if isinstance(counts, str) else _plain(counts, where)
    if min(height, width) < 1 or sum(runs) != height * width:
        raise AnnotationError(f"{where}: expected run-lengths of {height} × {width} pixels, found {sum(runs)}")
    left, right, top, bottom, start = width, 0, height, 0, 0
    for n, run in enumerate(runs):
        if n % 2 and run:
            first, last = start, start + run - 1
            left, right = min(left, first // height), max(right, last // height + 1)
            several = first // height != last // height  # the run goes on in the next column, so it touches both edges
            top = 0 if several else min(top, first % height)
            bottom = height if several else max(bottom, last % height + 1)
        start += run
    if right <= left:
        raise AnnotationError(f"{where}: expected run-lengths with a pixel set, found none; remove the annotation")
    return (float(left), float(top)), (float(right), float(bottom))


def _plain(counts: object, where: str) -> Sequence[int]:
    if not isinstance(counts, list) or len(counts) > MAX_RUNS:
        raise AnnotationError(f"{where}: expected counts as a list or a string of at most {MAX_RUNS} run-lengths")
    runs = [whole(n, where, "a run-length") for n in counts]
    if any(run < 0 for run in runs):
        raise AnnotationError(f"{where}: expected run-lengths of 0 or more, found one below")
    return runs


def _decoded(counts: str, where: str) -> Sequence[int]:
    """Groups of 6 bits from character 48: 5 bits of a signed number, lowest first, and whether it goes on.

    From the third run on, each number is the difference to the run two before.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60 or len(runs) >= MAX_RUNS:
            raise AnnotationError(f"{where}: expected counts in COCO's compressed form, found other text")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        signed = value - (1 << shift) if bits & 16 else value
        runs.append(signed + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or any(run < 0 for run in runs):
        raise AnnotationError(f"{where}: expected counts in COCO's compressed form, found a cut or negative one")
    return runs
