"""Motions in whole numbers: where pixels are fetched from, and where boxes go."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from medaug.imaging.boxes import Box
from medaug.imaging.motion import MATRIX, PIXEL, STEP, Motion, Motions, in_words, lost, moved_boxes, positions
from medaug.imaging.moved import moved_plane
from tests.support.motions import about_the_middle, local

SHAPE = (120, 100)
BOX = Box((0, 40, 30), (1, 62, 55), "lesion", "7")


def everywhere(motions: Motions, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    return positions(motions, shape, np.arange(shape[0]), np.arange(shape[1]))


def test_a_quarter_turn_fetches_from_where_the_picture_came() -> None:
    """Counterclockwise as it is seen: what was at the right comes to lie at the top."""
    down, along = everywhere(about_the_middle((9, 9), 90, 1), (9, 9))
    assert (down[0, 4], along[0, 4]) == (4 * STEP, 8 * STEP)
    assert (down[4, 0], along[4, 0]) == (0, 4 * STEP)


def test_scale_and_shift_are_exact_where_they_can_be() -> None:
    down, along = everywhere(about_the_middle((9, 9), 0, 2, 1, -2), (9, 9))
    assert down[:, 0].tolist() == [(4 + (i - 5) / 2) * STEP for i in range(9)]
    assert along[0].tolist() == [(4 + (j - 2) / 2) * STEP for j in range(9)]


@pytest.mark.parametrize(("degrees", "scale", "shift"), [(7, 1.05, (3, -5)), (-12, 0.9, (0, 0)), (0, 1.2, (-4, 2.5))])
def test_a_motion_tells_what_it_does(degrees: float, scale: float, shift: tuple[float, float]) -> None:
    centre = (59.5, 49.5)
    motion = Motion.about(centre, degrees=degrees, scale=scale, shift=shift)
    assert motion.degrees == pytest.approx(degrees, abs=1e-5)
    assert motion.scale == pytest.approx(scale, abs=1e-6)
    assert motion.shifted_at(centre) == pytest.approx(shift, abs=1e-4)
    assert f"turned {degrees:.2f} degrees, scaled {scale:.3f}" in in_words(Motions((motion,), (1, 1, 1, 1)))


def test_positions_are_the_same_whole_numbers_everywhere() -> None:
    """Of every part: turn, scale, shift, bend, area and falloff. Another digest here is another map for old records."""
    motion = about_the_middle(SHAPE, 5, 1.1, 2, 3, bent=True).parts[0]
    whole = Motions((motion, local(SHAPE, (30, 60, 20, 70), 17, motion).parts[0]), (1, 1, 1, 1))
    down, along = everywhere(whole)
    digest = hashlib.sha256(down.astype("<i8").tobytes() + along.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "e2cffc46b3881d8a"


def test_a_local_motion_is_whole_in_its_area_and_ends_with_its_falloff() -> None:
    motions = local(SHAPE, (40, 60, 30, 50), 10, Motion((0, 0, 0, 0), (-3 * PIXEL, 2 * PIXEL)))
    down, along = everywhere(motions)
    i, j = np.mgrid[: SHAPE[0], : SHAPE[1]] * STEP
    assert (down - i == -3 * STEP)[40:60, 30:50].all()
    assert (along - j == 2 * STEP)[40:60, 30:50].all()
    assert (down[34, 40] - i[34, 40]) in range(-2 * STEP, -STEP // 2)  # half way
    outside = np.ones(SHAPE, dtype=bool)
    outside[31:69, 21:59] = False
    assert (down == i)[outside].all()
    assert (along == j)[outside].all()


def test_a_bend_of_equal_control_points_is_a_shift() -> None:
    bend = tuple(tuple((PIXEL * 2, -PIXEL) for _ in range(5)) for _ in range(5))
    down, along = everywhere(Motions((Motion((0, 0, 0, 0), (0, 0), bend),), (1, 1, 1, 1)))
    assert (down[:, 0] == (np.arange(SHAPE[0]) + 2) * STEP).all()
    assert (along[0] == (np.arange(SHAPE[1]) - 1) * STEP).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_moved_box_holds_what_the_box_held_and_hardly_more(seed: int) -> None:
    draw = np.random.default_rng(seed)
    motions = about_the_middle(
        SHAPE, draw.uniform(-12, 12), draw.uniform(0.85, 1.15), *draw.uniform(-6, 6, 2), bent=seed % 2 == 1
    )
    (box,) = moved_boxes([BOX], motions, SHAPE) or ()
    assert (box.label, box.id) == (BOX.label, BOX.id)
    painted = np.zeros(SHAPE, dtype=np.uint8)
    painted[BOX.slices[1:]] = 200
    shown = moved_plane(painted, motions) >= 100  # where half of a pixel is the box's
    inside = np.zeros(SHAPE, dtype=bool)
    inside[box.slices[1:]] = True
    assert not (shown & ~inside).any()
    i, j = np.nonzero(shown)
    found = np.array([i.min(), j.min(), i.max() + 1, j.max() + 1])
    assert np.abs(found - np.array([*box.start[1:], *box.stop[1:]])).max() <= 2


def test_a_box_that_would_be_cut_has_no_place() -> None:
    assert moved_boxes([BOX], about_the_middle(SHAPE, 0, 1, -45, 0), SHAPE) is None
    assert moved_boxes([BOX, BOX], about_the_middle(SHAPE, 0, 1, 0, 300), SHAPE) is None
    touching = Box((0, 0, 30), (1, 20, 55), "lesion")
    assert moved_boxes([touching], about_the_middle(SHAPE, 0, 1, -3, 0), SHAPE) is None
    (down,) = moved_boxes([touching], about_the_middle(SHAPE, 0, 1, 3, 0), SHAPE) or ()
    assert (down.start, down.stop) == ((0, 3, 30), (1, 23, 55))  # whole pixels: as it was


def test_what_lies_beyond_the_borders_is_lost() -> None:
    motions = about_the_middle(SHAPE, 0, 1, 5, -7)
    missing = lost(*everywhere(motions), SHAPE)
    assert missing[:5].all()
    assert missing[:, -7:].all()
    assert not missing[5:, :-7].any()


def test_what_is_no_motion_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 × 4"):
        Motion((0, 0, 0, 0), (0, 0), (((0, 0),),))
    with pytest.raises(ValueError, match="falloff"):
        Motion((0, 0, 0, 0), (0, 0), (), (0, 5, 0, 5))
    with pytest.raises(ValueError, match="strips"):
        Motions((), (0, 1, 1, 1))
    assert Motion.about((0, 0), degrees=0, scale=1).matrix == (0, 0, 0, 0)
    assert MATRIX % PIXEL == 0


@pytest.mark.parametrize("flips", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("aspect", [1.0, 2.0])
def test_flips_and_pixels_that_are_not_square_are_of_the_matrix(flips: tuple[bool, bool], aspect: float) -> None:
    """In mm it is a flip, then a turn and a scaling, about the middle."""
    motion = Motion.about((30.0, 20.0), degrees=10, scale=1.25, flips=flips, aspect=aspect)
    matrix = np.array(motion.matrix).reshape(2, 2) / 2**24 + np.eye(2)
    in_mm = np.diag([aspect, 1]) @ matrix @ np.diag([1 / aspect, 1])
    cos, sin = np.cos(np.radians(10)) / 1.25, np.sin(np.radians(10)) / 1.25
    turned = np.array([[cos, sin], [-sin, cos]])
    np.testing.assert_allclose(in_mm, np.diag([-1 if flip else 1 for flip in flips]) @ turned, atol=1e-6)
    np.testing.assert_allclose(matrix @ (30, 20) + np.array(motion.shift) / 2**16, (30, 20), atol=1e-4)
    assert motion.mirrored == (flips[0] != flips[1])
    assert motion.scale == pytest.approx(1.25, abs=1e-5)
    if aspect == 1 and not flips[0]:
        assert motion.degrees == pytest.approx(10, abs=1e-4)
        assert ("mirrored left to right" in in_words(Motions((motion,), (1, 1, 1, 1)))) == flips[1]


def test_what_lies_beyond_may_have_one_number() -> None:
    plane = (np.arange(40 * 30).reshape(40, 30) % 199 + 7).astype(np.uint8)
    part = Motion.about((19.5, 14.5), degrees=0, scale=1, shift=(0, 6))
    for beyond, number in (("least", 7), ("greatest", 205)):
        moved = moved_plane(plane, Motions((part,), (40, 40, 30, 30), beyond=beyond))  # type: ignore[arg-type]
        assert set(moved[:, :6].ravel().tolist()) == {number}
        np.testing.assert_array_equal(moved[:, 6:], plane[:, :-6])
