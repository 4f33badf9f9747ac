"""Drawn motions: within their limits, from their seed, and never through a label."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.colour import Colour
from medaug.imaging.motion import Motions, lost, moved_boxes, positions
from medaug.regions import laws
from medaug.regions.motions import MotionLimits, check_planar, draw_motions
from tests.support import make

GROW = partial(laws.with_margin, 0.04, "relative", 256)
IMAGE = MotionLimits("image", 10.0, 0.1, 0.05, 0.006)
LESION = MotionLimits("lesion", 8.0, 0.1, 0.02, 0.002)
BOXES = (Box((0, 90, 100), (1, 150, 160), "a"), Box((0, 200, 60), (1, 220, 90), "b"))
SHAPE = (300, 240)


def drawn(limits: MotionLimits, seed: int, boxes: tuple[Box, ...] = BOXES, domain: bool = False) -> Motions:
    return draw_motions(limits, GROW, make.volume((1, *SHAPE)), boxes, np.full((1, *SHAPE), domain), seed)


def test_the_seed_decides_and_limits_hold() -> None:
    found = [drawn(IMAGE, seed) for seed in range(20)]
    assert drawn(IMAGE, 3) == found[3]
    (parts,) = zip(*(motions.parts for motions in found), strict=True)
    turns, scales = [m.degrees for m in parts], [m.scale for m in parts]
    assert max(map(abs, turns)) <= 10.001
    assert np.std(turns) > 3
    assert 1 / 1.1001 <= min(scales) < 0.97
    assert 1.03 < max(scales) <= 1.1001
    shifts = np.abs([m.shifted_at((149.5, 119.5)) for m in parts])
    assert 8 < shifts.max() <= 15.01
    assert len({m.elastic for m in parts}) == 20
    for motions in found:
        assert moved_boxes(BOXES, motions, SHAPE) is not None


def test_lesions_move_and_the_rest_of_the_image_stays() -> None:
    motions = drawn(LESION, 5)
    down, along = positions(motions, SHAPE, np.arange(SHAPE[0]), np.arange(SHAPE[1]))
    i, j = np.mgrid[: SHAPE[0], : SHAPE[1]] * 64
    still = (down == i) & (along == j)
    assert still[:40].all()
    moved = moved_boxes(BOXES, motions, SHAPE)
    assert moved is not None
    for box in moved:
        assert still[box.slices[1:]].mean() < 0.1
    # tissue gives way without folding: positions rise from pixel to pixel
    assert np.diff(down, axis=0).min() > 0
    assert np.diff(along, axis=1).min() > 0


def test_boxes_that_lie_close_move_together() -> None:
    near = (BOXES[0], Box((0, 155, 100), (1, 170, 150), "c"))
    assert len(drawn(LESION, 1, near).parts) == 1
    assert (
        len(drawn(LESION, 1, (Box((0, 40, 40), (1, 60, 60), "a"), Box((0, 240, 180), (1, 255, 195), "b"))).parts) == 2
    )


def test_little_anatomy_is_made_up() -> None:
    """Where anatomy fills the frame, motions stay small; where air does, they don't."""

    def missing(motions: Motions) -> float:
        down, along = positions(motions, SHAPE, np.arange(SHAPE[0]), np.arange(SHAPE[1]))
        return float(lost(down, along, SHAPE).mean())

    full, air = ([missing(drawn(IMAGE, seed, domain=domain)) for seed in range(8)] for domain in (True, False))
    assert max(full) < 0.025 < max(air)


def test_no_room_is_said() -> None:
    whole = (Box((0, 0, 0), (1, *SHAPE), "x"),)
    with pytest.raises(RegionError) as caught:
        drawn(replace(IMAGE, elastic=0.02, shift=0.15), 1, whole)
    assert caught.value.code == "no-room"


def test_volumes_and_colour_are_refused() -> None:
    with pytest.raises(RegionError, match="3 slices in patient space") as caught:
        check_planar(make.volume((3, 20, 20)))
    assert caught.value.code == "not-planar"
    coloured = Colour(np.zeros((1, 20, 20, 3), dtype=np.uint8), luminance=False)
    with pytest.raises(RegionError) as caught:
        check_planar(make.volume((1, 20, 20), dtype=np.uint8, colour=coloured))
    assert caught.value.code == "colour"


def test_surroundings_move_and_lesions_with_their_rim_stay() -> None:
    limits = MotionLimits("surroundings", 2.0, 0.02, 0.01, 0.03)
    for seed in range(6):
        motions = drawn(limits, seed)
        down, along = positions(motions, SHAPE, np.arange(SHAPE[0]), np.arange(SHAPE[1]))
        i, j = np.mgrid[: SHAPE[0], : SHAPE[1]] * 64
        moves = (down != i) | (along != j)
        for box in GROW(make.volume((1, *SHAPE)), BOXES):
            assert not moves[box.slices[1:]].any()
        assert moves.mean() > 0.7
        assert np.hypot(down - i, along - j).max() / 64 > 2
        assert moved_boxes(BOXES, motions, SHAPE) == BOXES
        assert np.diff(down, axis=0).min() > 0
        assert np.diff(along, axis=1).min() > 0
