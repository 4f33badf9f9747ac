"""Figures in patient space on the volumes that they lie in: whole, cut, or refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from medaug.annotations.matching.by_position import Figure, match_by_position
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Volume
from tests.support.grids import volume_on

AFFINE = np.array([[0, 0, 0.5, -20], [0, 0.5, 0, 10], [3, 0, 0, 7], [0, 0, 0, 1]], dtype=float)
Span = tuple[tuple[int, int, int], tuple[int, int, int]]


def volume(shape: tuple[int, int, int], key: str = "whole") -> Volume:
    made = volume_on(Geometry(shape, AFFINE, "patient"))
    return replace(made, source=replace(made.source, series_uid=key, sha256=(key,) * shape[0]))


def figure(low: tuple[float, float, float], high: tuple[float, float, float]) -> Figure:
    """Around a box in edge coordinates (k, i, j) of `AFFINE`'s grid."""
    corners = np.array(list(product(*zip(low, high, strict=True)))) - 0.5
    return Figure("POLYLINE", corners @ AFFINE[:3, :3].T + AFFINE[:3, 3], "lesion", "item 0")


@pytest.mark.parametrize(
    ("low", "high", "code", "span"),
    [
        ((1, 10, 20), (3, 30, 40), "", ((1, 10, 20), (3, 30, 40))),
        ((1, 90, 20), (3, 108, 40), "", ((1, 90, 20), (3, 100, 40))),  # drawn a little over the edge
        ((-30, 10, 20), (40, 30, 40), "", ((0, 10, 20), (6, 30, 40))),  # on a longer series
        ((1, 10, 20), (3, 30, 160), "beyond", None),  # in another unit
        ((1, -60, -60), (3, 30, 40), "beyond", None),
        ((1, 200, 20), (3, 230, 40), "outside", None),
    ],
)
def test_a_figure_is_cut_at_the_ends_of_a_series_and_refused_far_beyond_its_plane(
    low: tuple[float, float, float], high: tuple[float, float, float], code: str, span: Span | None
) -> None:
    on = volume((6, 100, 80))
    found = match_by_position([figure(low, high)], [on])
    assert [(box.start, box.stop) for _, box in found.boxes] == ([span] if span else [])
    assert [note.code for note in found.notes] == ([code] if code else [])
    assert found.unsure == (frozenset() if span else {on.source.key})


def test_what_one_volume_holds_is_cut_at_the_others() -> None:
    wide, narrow = volume((6, 100, 80)), volume((6, 100, 30), "narrow")
    found = match_by_position([figure((1, 10, 20), (3, 30, 60))], [wide, narrow])
    assert {key: box.stop[2] for key, box in found.boxes} == {wide.source.key: 60, narrow.source.key: 30}
    assert not found.unsure
    assert not found.notes
