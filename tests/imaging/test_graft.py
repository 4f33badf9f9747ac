"""A piece of one slice in another: exact, monotone, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.graft import GREY, Graft, GreyMap, grafted_plane, in_words

GRAFT = Graft((3, 6, 2, 5), (4, -1), (5, 12, 0, 8), GreyMap(GREY * 3 // 2, GREY * 10 + GREY // 2, 0, 255))


def planes() -> tuple[np.ndarray, np.ndarray]:
    spread = np.random.default_rng(1)
    return spread.integers(0, 120, (14, 9), dtype=np.uint8), spread.integers(0, 150, (8, 7), dtype=np.uint8)


def test_the_area_is_the_donor_s_by_the_stated_line_and_all_else_the_host_s() -> None:
    host, donor = planes()
    made = grafted_plane(host, donor, GRAFT)
    assert made.dtype == host.dtype
    expected = np.floor(donor[3:6, 2:5] * 1.5 + 10.5 + 0.5)  # to nearest, halves up
    np.testing.assert_array_equal(made[7:10, 1:4], expected)
    made[7:10, 1:4] = host[7:10, 1:4]
    np.testing.assert_array_equal(made, host)


def test_the_map_never_falls_is_cut_to_the_host_s_range_and_takes_negative_numbers() -> None:
    grey = GreyMap(GREY // 3, -20 * GREY, -15, 30)
    mapped = grey.of(np.arange(-100, 300, dtype=np.int16))
    assert (np.diff(mapped) >= 0).all()
    assert (mapped.min(), mapped.max()) == (-15, 30)
    assert grey.of(np.array([30], dtype=np.int16))[0] == -10
    assert grey.cuts(np.arange(300, dtype=np.int16))
    assert not grey.cuts(np.arange(20, 100, dtype=np.int16))


@pytest.mark.parametrize("slope", [0, -GREY, GREY // 5, GREY * 5])
def test_a_map_that_flattens_or_turns_grey_levels_round_is_none(slope: int) -> None:
    with pytest.raises(ValueError, match="slope"):
        GreyMap(slope, 0, 0, 255)


def test_what_does_not_fit_is_refused() -> None:
    host, donor = planes()
    flat = replace(GRAFT, grey=GreyMap(GREY, GREY * 200, 0, 255))  # most of the lesion would be white
    for graft, of, into in (
        (GRAFT, donor[:5], host),
        (GRAFT, donor, host[:11]),
        (replace(GRAFT, grey=replace(GRAFT.grey, high=256)), donor, host),
        (flat, donor, host),
    ):
        with pytest.raises(RegionError) as caught:
            grafted_plane(into, of, graft)
        assert caught.value.code == "no-place"
    with pytest.raises(RegionError, match="whole numbers") as caught:
        grafted_plane(host.astype(np.float32), donor, GRAFT)
    assert caught.value.code == "not-whole"
    with pytest.raises(ValueError, match="window"):
        replace(GRAFT, shift=(0, 0))


def test_the_lesion_s_box_goes_along() -> None:
    assert GRAFT.placed(Box((0, 4, 2), (1, 6, 4), "fracture", "7")) == Box((0, 8, 1), (1, 10, 3), "fracture", "7")
    with pytest.raises(ValueError, match="inside the area"):
        GRAFT.placed(Box((0, 2, 2), (1, 6, 4), "fracture"))


def test_in_words_a_header_can_hold_them() -> None:
    assert in_words(GRAFT).endswith("rows 3 to 6 and columns 2 to 5 moved by 4 and -1, grey levels x 1.5000 +10.50")
    assert in_words(GRAFT).isascii()
