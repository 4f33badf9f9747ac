"""Markers, text and shutters on radiographs drawn here, each beside anatomy that looks like it and must stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from medaug.imaging.volume import Mask
from medaug.regions.domains.domain import DomainPart, domain
from tests.support.radiographs import WIDE, leg, of

Image = npt.NDArray[np.floating]
ROWS, COLUMNS = 360, 300


def chest(*, seed: int = 0) -> Image:
    """A chest that fills its frame: no air, ribs, noise. 12 bits, bright is high."""
    i, j = np.mgrid[0:ROWS, 0:COLUMNS] / COLUMNS
    lungs = np.exp(-(((i - 0.55) / 0.3) ** 2 + ((np.abs(j - 0.5) - 0.22) / 0.12) ** 2))
    ribs = 0.25 * np.sin(40 * i + 8 * np.abs(j - 0.5))
    tissue = 2100 + 900 * np.exp(-(((j - 0.5) / 0.1) ** 2)) - 1500 * lungs * (1 + ribs) - 900 * np.abs(j - 0.5)
    return np.asarray(tissue + np.random.default_rng(seed).normal(0, 12, tissue.shape))


def abdomen() -> Image:
    """Soft tissue without ribs, dark on one side, bright on the other."""
    j = np.mgrid[0:ROWS, 0:COLUMNS][1] / COLUMNS
    return np.asarray(500 + 2500 * j + np.random.default_rng(0).normal(0, 12, (ROWS, COLUMNS)))


def letter(at: tuple[int, int], size: int = 20) -> Mask:
    """An F: strokes of a fifth of its size."""
    drawn = np.zeros((ROWS, COLUMNS), dtype=np.bool_)
    stroke = size // 5
    drawn[at[0] : at[0] + size, at[1] : at[1] + stroke] = True
    for down in (0, 2 * stroke):
        drawn[at[0] + down : at[0] + down + stroke, at[1] : at[1] + 3 * stroke] = True
    return drawn


def raised(image: Image, where: Mask, height: float, blur: float = 0.5) -> Image:
    return np.asarray(image + height * ndimage.gaussian_filter(where.astype(np.float64), blur))


def found(image: Image, part: DomainPart) -> Mask:
    return domain(of(np.clip(image, 0, 4095).astype(np.int16)), WIDE, [part])[0]


def test_a_grey_letter_near_the_side_is_kept_and_a_soft_shadow_of_its_height_is_not() -> None:
    drawn = letter((40, 20))
    marked = found(raised(chest(), drawn, 1200), "not-marker")
    assert not marked[drawn].any()
    assert marked.mean() > 0.98
    soft = ndimage.gaussian_filter(drawn.astype(np.float64), 4)
    assert found(chest() + 1200 * soft / soft.max(), "not-marker").mean() > 0.999


def test_a_lone_grey_thing_amid_the_anatomy_is_anatomy_and_three_letters_are_text() -> None:
    middle = 170
    lone = letter((middle, 90), 10)
    assert found(raised(abdomen(), lone, 900), "not-marker")[lone].all()
    row = np.any([letter((middle, 90 + 12 * n), 10) for n in range(4)], axis=0)
    assert not found(raised(abdomen(), row, 900), "not-marker")[row].any()


def test_three_metacarpals_in_a_row_are_no_text() -> None:
    bones = np.any([letter((150, 90 + 45 * n), 40) for n in range(3)], axis=0)
    assert found(raised(abdomen(), bones, 900), "not-marker")[bones].all()


def test_ribs_are_no_letters() -> None:
    assert found(chest(), "not-marker").mean() > 0.999


def test_a_markers_plate_is_not_anatomy_and_a_part_of_its_size_is() -> None:
    image, inside = leg(360, 300)
    plate = np.zeros(inside.shape, dtype=np.bool_)
    plate[60:110, 12:62] = True
    dim = raised(image, plate, 300)
    assert found(dim, "body")[plate].mean() > 0.9
    written = raised(dim, letter((66, 20), 36)[:360, :300], 3000)
    both = found(written, "body")
    assert not both[plate].any()
    assert both[inside].mean() > 0.95
    ring = np.zeros_like(plate)
    ring[80:86, 30:42] = True
    assert found(raised(dim, ring, 3000), "body")[plate & ~ring].mean() > 0.8  # a finger with a ring on it


def two_exposures() -> tuple[Image, Mask, Mask]:
    """Two legs, the second in brighter air, and a slanting bar between; where legs and bar are."""
    one, inside = leg(360, 220)
    image = np.hstack([one, one + 350]).astype(np.float64)
    i, j = np.mgrid[0:360, 0:440]
    bar = (j > 224 - 0.02 * i) & (j < 232 + 0.02 * i)
    image[bar] = 3900
    return image, np.hstack([inside, inside]), bar


def test_each_exposure_is_seen_by_itself_and_the_bar_between_is_a_shutter() -> None:
    image, legs, bar = two_exposures()
    body = found(image, "body")
    assert not body[bar].any()
    assert body[legs].mean() > 0.93
    assert body[~ndimage.binary_dilation(legs, iterations=6)].mean() < 0.01
    turned = found(image.T, "body")
    assert (turned & body.T).sum() / (turned | body.T).sum() > 0.97


def test_a_nail_in_a_bone_parts_no_exposures() -> None:
    image, inside = leg(360, 300)
    i, j = np.mgrid[0:360, 0:300]
    nail = np.abs(j / 300 - 0.5 - 0.07 * i / 360) < 0.012
    assert found(np.where(nail, 3900, image), "body")[inside & nail].mean() > 0.95


def test_a_rod_beside_the_leg_is_kept_and_the_leg_is_still_found() -> None:
    image, inside = leg(360, 300)
    rod = np.zeros(image.shape, dtype=np.bool_)
    rod[:, 250:255] = True
    body = found(np.where(rod, 3900, image), "body")
    assert not body[rod].any()
    assert body[inside].mean() > 0.93


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("level", [900, 2600])
def test_a_dim_shutter_is_kept(level: int, turns: int) -> None:
    image = chest()
    image[:70] = level + np.random.default_rng(1).normal(0, 12, (70, COLUMNS))
    blurred = ndimage.gaussian_filter1d(image, 1.5, axis=0)
    inner = np.rot90(found(np.rot90(blurred, turns).copy(), "not-border"), -turns)
    assert not inner[:69].any()
    assert inner[80:].all()


def test_a_bone_along_the_frame_and_an_even_abdomen_are_no_shutters() -> None:
    across = chest()
    across[50:80] += 1200  # a straight cortex from side to side, with tissue beyond
    assert found(across, "not-border").mean() > 0.99
    dense = 1 / (1 + np.exp(-(np.arange(ROWS) - 290) / 12))[:, None]
    fading = (1 - dense) * chest() + dense * 2400
    assert found(fading, "not-border").mean() > 0.99
    assert found(leg(360, 300)[0].astype(np.float64), "not-border").mean() > 0.99


def test_a_strip_along_a_side_is_no_anatomy_and_a_limb_that_crosses_it_is() -> None:
    image, inside = leg(360, 300)
    dim = image.astype(np.float64)
    dim[:14] += np.where(inside[:14], 0, 700)
    body = found(dim, "body")
    assert not body[:14][~ndimage.binary_dilation(inside, iterations=6)[:14]].any()
    assert body[16:][inside[16:]].mean() > 0.95
    assert body[:14][ndimage.binary_erosion(inside, iterations=6, border_value=1)[:14]].all()


def test_fingers_that_end_at_the_side_stay() -> None:
    image, _ = leg(360, 300)
    hand = np.zeros(image.shape, dtype=np.bool_)
    for n in range(2):
        hand[300:352, 8 + 26 * n : 26 + 26 * n] = True
    hand[270:304, 8:52] = True
    body = found(raised(image, hand, 900, 1.0), "body")
    assert body[hand].mean() > 0.9
