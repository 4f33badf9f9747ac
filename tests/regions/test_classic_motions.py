"""The draw of a classic copy: within its limits, no label cut, no side said that isn't so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.motion import MATRIX, moved_boxes
from medaug.imaging.volume import Volume
from medaug.regions.classic_motions import CopyLimits, draw_copy
from tests.support import make

SHAPE = (120, 100)
BOX = Box((0, 60, 30), (1, 80, 52), "lesion")
FLIPS = CopyLimits((False, True), 0, 0)


def picture(**changes: object) -> Volume:
    """Smooth, so that nothing looks like a marker."""
    i, j = np.mgrid[: SHAPE[0], : SHAPE[1]]
    smooth = (100 + 40 * np.sin(i / 40) * np.cos(j / 30)).astype(np.uint8)
    made = make.volume((1, *SHAPE))
    source = replace(made.source, format="png")
    return replace(made, **{"stored": smooth[None], "source": source} | changes)  # type: ignore[arg-type]


def mirrored(volume: Volume, limits: CopyLimits, label: str = "lesion") -> set[bool]:
    """Over some draws."""
    box = replace(BOX, label=label)
    return {draw_copy(limits, volume, [box], seed).parts[0].mirrored for seed in range(24)}


def test_draws_keep_to_their_limits_and_use_them() -> None:
    limits = CopyLimits((False, False), 12, 0.2)
    parts = [draw_copy(limits, picture(), [BOX], seed).parts[0] for seed in range(60)]
    turns, sizes = [part.degrees for part in parts], [part.scale for part in parts]
    assert max(map(abs, turns)) <= 12.001
    assert 0.799 <= min(sizes) <= max(sizes) <= 1.201
    assert (min(turns), max(turns)) < (-8, 12)
    assert max(turns) > 8
    assert min(sizes) < 0.87
    assert max(sizes) > 1.13
    assert not any(part.mirrored for part in parts)


def test_the_same_seed_draws_the_same_and_another_otherwise() -> None:
    limits = CopyLimits((True, True), 12, 0.2)
    first, again, other = (draw_copy(limits, picture(), [BOX], seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_flip_is_exact_and_never_nothing() -> None:
    for seed in range(8):
        (part,) = draw_copy(FLIPS, picture(), [BOX], seed).parts
        assert (part.matrix, part.shift) == ((0, 0, 0, -2 * MATRIX), (0, (SHAPE[1] - 1) << 16))


def test_no_side_is_mirrored_that_a_header_a_label_or_a_marker_states() -> None:
    turned = CopyLimits((False, True), 5, 0)
    assert mirrored(picture(), turned) == {True, False}
    of_dicom = make.volume((1, *SHAPE))
    assert of_dicom.source.format == "dicom"
    assert mirrored(of_dicom, turned) == {False}
    assert mirrored(picture(), turned, "Fracture, LEFT wrist") == {False}
    assert mirrored(picture(), turned, "leftover") == {True, False}
    marked = picture().stored.copy()
    marked[0, 4:6, 4:9] = 255
    assert mirrored(picture(stored=marked), turned) == {False}
    assert mirrored(picture(stored=marked), replace(turned, look=False)) == {True, False}


def test_where_only_a_flip_is_allowed_and_it_may_not_be_done_the_image_fails_and_says_why() -> None:
    marked = picture().stored.copy()
    marked[0, 4:6, 4:9] = 255
    header, named, shown = "DICOM is never flipped, since PatientOrientation", "a label names a side", "may mark a side"
    for volume, label, why in (
        (make.volume((1, *SHAPE)), "lesion", header),
        (picture(), "left", named),
        (picture(stored=marked), "lesion", shown),
    ):
        with pytest.raises(RegionError, match=why) as caught:
            draw_copy(FLIPS, volume, [replace(BOX, label=label)], 1)
        assert caught.value.code == "no-room"
    with pytest.raises(RegionError, match="the image itself; use smaller limits") as caught:
        draw_copy(CopyLimits((False, False), 0, 0), picture(), [BOX], 1)


def test_boxes_near_the_border_are_not_cut() -> None:
    corner = Box((0, 0, 0), (1, 14, 12), "lesion")
    for seed in range(12):
        motions = draw_copy(CopyLimits((False, False), 30, 0.4), picture(), [corner], seed)
        assert moved_boxes([corner], motions, SHAPE) is not None


def test_what_lies_beyond_is_dark_as_the_image_is_shown() -> None:
    limits = CopyLimits((False, False), 10, 0)
    assert draw_copy(limits, picture(), [BOX], 1).beyond == "least"
    assert draw_copy(limits, picture(inverted=True), [BOX], 1).beyond == "greatest"


def test_volumes_are_refused() -> None:
    with pytest.raises(RegionError) as caught:
        draw_copy(CopyLimits((False, False), 10, 0), make.volume((4, 60, 60)), [], 1)
    assert caught.value.code == "not-planar"
