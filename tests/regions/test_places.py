"""Where a lesion is plausible: the correlations are those of NumPy, and the place is found again."""

from __future__ import annotations

import numpy as np
import pytest

from medaug.imaging.boxes import Box
from medaug.regions import places
from medaug.regions.places import Lesion, Place, WantedWindow
from tests.support import make

AREA = Box((0, 40, 30), (1, 56, 44), "")


def slices() -> tuple[places.Whole, places.Whole]:
    """A limb, and the same limb 6 rows further down and 4 columns to the right, grey levels stretched."""
    donor = (make.limb(120, 100, seed=3) * 900).astype(np.int64)
    host = np.roll(np.pad(donor, 8, mode="edge"), (6, 4), axis=(0, 1))[8:-8, 8:-8]
    return host * 3 // 2 + 20, donor


def test_likeness_is_the_least_of_three_correlations() -> None:
    host, donor = places.levelled(*slices())
    wanted = WantedWindow.of(donor, Lesion.of(AREA, 8, donor.shape), 1)
    near = places.nearby(host, wanted)
    height, width = wanted.values.shape
    i, j = 50, 33
    here = host[i : i + height, j : j + width]
    rim = np.corrcoef(here[wanted.rim], wanted.values[wanted.rim])[0, 1]
    fine = places.detail_of(host, wanted.reach)[i : i + height, j : j + width]
    detail = np.corrcoef(fine.ravel(), wanted.detail.ravel())[0, 1]
    assert near[i, j] == min(round(rim * 1000), round(detail * 1000) + places.DETAIL)


def test_two_slices_are_laid_over_each_other_at_every_shift() -> None:
    host, donor = (plane[::4, ::4] for plane in slices())
    score = places.overlaid(host, donor)
    rows, columns = donor.shape
    same = score[rows - 1 + 2, columns - 1 + 1]
    overlap = np.corrcoef(host[2:, 1:].ravel(), donor[:-2, :-1].ravel())[0, 1]
    assert same == round(overlap * 1000)
    assert score[0, 0] == places.NEVER


def test_the_same_surroundings_are_found_where_they_went() -> None:
    host, donor = places.levelled(*slices())
    wanted = WantedWindow.of(donor, Lesion.of(AREA, 8, donor.shape), 1)
    score = places.likeness(host, wanted, 600)
    best = places.best_places(score, 600, 3, 10)
    assert (best[0].row - wanted.corner[0], best[0].column - wanted.corner[1]) == (6, 4)
    assert best[0].score >= 890  # whole images count a tenth less
    assert int(places.likeness(host[::-1, ::-1].copy(), wanted, 950).max()) == places.NEVER


def test_nothing_is_placed_on_a_lesion_or_off_the_domain() -> None:
    host, donor = places.levelled(*slices())
    wanted = WantedWindow.of(donor, Lesion.of(AREA, 8, donor.shape), 1)
    domain, taken = np.ones(host.shape, dtype=bool), np.zeros(host.shape, dtype=bool)
    at = (6 + wanted.corner[0], 4 + wanted.corner[1])
    assert places.allowed(wanted, domain, taken)[at]
    taken[at[0], at[1]] = True  # one pixel of the window
    assert not places.allowed(wanted, domain, taken)[at]
    assert places.allowed(wanted, domain, taken)[at[0] + 1, at[1] + 1]
    domain[50:] = False
    assert not places.allowed(wanted, domain, np.zeros_like(taken))[at]


def test_best_places_lie_apart_and_none_is_much_worse() -> None:
    scores = np.full((20, 20), places.NEVER)
    scores[3, 3], scores[3, 4], scores[12, 5], scores[18, 18] = 800, 799, 760, 700
    assert places.best_places(scores, 600, 5, 3) == (Place(3, 3, 800), Place(12, 5, 760))
    assert places.best_places(scores, 600, 1, 3) == (Place(3, 3, 800),)
    assert places.best_places(scores, 801, 5, 3) == ()


@pytest.mark.parametrize(("longer", "factor"), [(128, 1), (129, 2), (2304, 32), (2880, 32), (60, 1)])
def test_sizes_are_reduced_by_powers_of_two(longer: int, factor: int) -> None:
    assert places.factor_for((longer, 50), 128) == factor


def test_a_host_smaller_than_the_window_has_no_place() -> None:
    host, donor = slices()
    wanted = WantedWindow.of(donor, Lesion.of(AREA, 8, donor.shape), 1)
    assert places.likeness(host[:20, :20], wanted, 600).size == 0
