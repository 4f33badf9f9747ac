"""The domains, on pictures drawn here: what must be in, what must stay out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from medaug.imaging.volume import Mask, Window
from medaug.regions.domains.body import otsu
from medaug.regions.domains.domain import DomainPart, domain
from medaug.regions.domains.morphology import enlarged, large_parts, reduced, runs, touching
from tests.support.radiographs import WIDE, leg, of

ALL: tuple[DomainPart, ...] = ("body", "window", "not-padding", "not-border", "not-marker")


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("size", [(400, 300), (380, 520), (1600, 1200)])
def test_a_limb_is_found_with_its_skin_and_the_air_is_left_alone(size: tuple[int, int]) -> None:
    image, inside = leg(*size)
    found = domain(of(image), WIDE, ["body"])[0]
    assert overlap(found, inside) > 0.93
    band = max(2, size[0] // 100)
    assert not (found & ~ndimage.binary_dilation(inside, iterations=2 * band)).any()
    assert (found | ~ndimage.binary_erosion(inside, iterations=band)).all()


def test_monochrome1_is_seen_as_it_is_shown() -> None:
    image, inside = leg()
    negative = of((4095 - image).astype(np.int16), inverted=True)
    assert (domain(negative, WIDE, ["body"]) == domain(of(image), WIDE, ["body"])).all()
    wrong_polarity = domain(of(4095 - image), WIDE, ["body"])[0]
    assert overlap(wrong_polarity, inside) < 0.5


def test_shutters_are_not_anatomy() -> None:
    image, inside = leg()
    image[:40] = 3900
    image[:, -30:] = 3800
    found = domain(of(image), WIDE, ["body"])[0]
    assert not found[:36].any()
    assert not found[:, -28:].any()
    assert found[60:][inside[60:]].mean() > 0.95


def test_the_gap_between_two_legs_is_air() -> None:
    image, _ = leg(400, 300)
    pair = np.hstack([image, image])
    pair[:12] = pair[-12:] = 3000  # shutters: the gap touches no border
    found = domain(of(pair), WIDE, ["body"])[0]
    assert not found[100:300, 295:300].any()


def test_a_frame_full_of_anatomy_is_all_domain() -> None:
    i, j = np.mgrid[0:300, 0:300] / 300
    lungs = np.exp(-(((i - 0.45) / 0.25) ** 2 + ((np.abs(j - 0.5) - 0.22) / 0.12) ** 2))
    ribs = 0.06 * np.sin(60 * i + 8 * np.abs(j - 0.5))
    chest = 2600 - 1500 * lungs * (1 + ribs) + np.random.default_rng(0).normal(0, 15, lungs.shape)
    assert domain(of(chest.astype(np.int16)), WIDE, ["body"]).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 5), (3, 900), (1, 3000), (2000, 2)])
@pytest.mark.parametrize("part", ALL)
def test_tiny_and_constant_images_are_survived(shape: tuple[int, int], part: DomainPart) -> None:
    for level in (0, 2000):
        found = domain(of(np.full(shape, level, dtype=np.int16)), WIDE, [part])
        assert found.shape == (1, *shape)
        assert found.dtype == np.bool_


def trunk(*, noise: float = 15.0) -> tuple[npt.NDArray[np.int16], Mask, Mask]:
    """A CT of 3 slices in HU with lungs and a table below; where the body and its lungs are."""
    i, j = np.mgrid[0:160, 0:200]
    body = (np.hypot((i - 70) / 50, (j - 100) / 75) < 1)[None].repeat(3, axis=0)
    lungs = (np.hypot((i - 70) / 25, (np.abs(j - 100) - 32) / 18) < 1)[None].repeat(3, axis=0)
    values = np.where(body, 40.0, -1000.0)
    values[lungs] = -820
    values[:, 128:132, 30:170] = 200
    values += np.random.default_rng(0).normal(0, noise, values.shape)
    return values.astype(np.int16), body, lungs


def test_a_ct_body_holds_its_lungs_and_no_table() -> None:
    values, body, lungs = trunk()
    found = domain(of(values, "CT"), Window(40, 400), ["body"])
    assert found[lungs].all()
    assert overlap(found, body) > 0.99
    assert not found[:, 126:].any()


def test_an_empty_ct_slice_has_no_body() -> None:
    values, _, _ = trunk()
    values[1] = -1000
    found = domain(of(values, "CT"), Window(40, 400), ["body"])
    assert found[0].any()
    assert not found[1].any()


def test_an_mr_head_is_closed_and_filled() -> None:
    i, j = np.mgrid[0:160, 0:160]
    radius = np.hypot((i - 80) / 60, (j - 80) / 50)
    values = np.where(radius < 1, 220.0, 0)  # fat
    values[radius < 0.93] = 12  # bone
    values[radius < 0.86] = 120  # brain
    values[radius < 0.2] = 20  # liquor
    values = np.abs(values + np.random.default_rng(0).normal(0, 6, values.shape))[None]
    found = domain(of(values.astype(np.int16), "MR"), WIDE, ["body"])[0]
    assert overlap(found, radius < 1) > 0.95
    assert found[radius < 0.9].all()


def test_the_window_part_is_strict() -> None:
    ramp = np.arange(200, dtype=np.int16).reshape(1, 10, 20)
    found = domain(of(ramp, "CT"), Window.spanning(60, 139), ["window"])
    assert (found == ((ramp > 60) & (ramp < 139))).all()


def test_noise_at_the_windows_end_makes_no_confetti_and_a_dense_speck_stays_protected() -> None:
    values = np.full((1, 60, 60), 100, dtype=np.int16)
    values[0, 10, 10] = -2  # noise just outside 0…200
    values[0, 30:33, 30:33] = 900  # a calcification
    values[0, 40:, 40:] = 1500  # bone
    values[0, 50, 50] = 150  # an island in it
    found = domain(of(values, "CT"), Window.spanning(0, 200), ["window"])[0]
    assert found[10, 10]
    assert not found[30:33, 30:33].any()
    assert not found[40:, 40:].any()
    assert found[:30, 11:].all()


def test_padding_and_its_neighbours_stay_out() -> None:
    values = np.full((2, 20, 20), 30, dtype=np.int16)
    values[:, :, :6] = -2000
    volume = of(values, "CT", padding=(-2000.0, -2000.0))
    found = domain(volume, Window(40, 400), ["not-padding"])
    assert not found[:, :, :7].any()
    assert found[:, :, 7:].all()
    assert domain(of(values, "CT"), Window(40, 400), ["not-padding"]).all()


def test_a_constant_frame_stays_out_and_dark_anatomy_does_not() -> None:
    image, _ = leg()
    framed = np.zeros((460, 360), dtype=np.int16)
    framed[30:430, 30:330] = image
    found = domain(of(framed), WIDE, ["not-border"])[0]
    assert not found[:31].any()
    assert not found[:, -31:].any()
    assert found[33:427, 33:327].all()
    assert domain(of(image), WIDE, ["not-border"]).mean() > 0.95


def test_markers_stay_out_and_bones_do_not() -> None:
    image, inside = leg()
    image[30:50, 20:24] = image[46:50, 20:34] = 4000  # an L
    found = domain(of(image), WIDE, ["not-marker"])[0]
    assert not found[30:50, 20:24].any()
    assert not found[46:50, 20:34].any()
    assert found[inside].mean() > 0.99
    assert found.mean() > 0.97


@pytest.mark.parametrize("part", ["not-border", "not-marker"])
def test_parts_for_radiographs_leave_series_alone(part: DomainPart) -> None:
    values, _, _ = trunk()
    assert domain(of(values, "CT"), Window(40, 400), [part]).all()


def test_the_domain_is_what_all_parts_agree_on() -> None:
    image, _ = leg()
    volume = of(image)
    window = Window.spanning(310, 2000)
    found = domain(volume, window, ALL)
    each = [domain(volume, window, [part]) for part in ALL]
    assert (found == np.logical_and.reduce(each)).all()
    assert (found == domain(volume, window, ALL[::-1])).all()
    assert domain(volume, window, []).all()


def test_reducing_and_enlarging_keep_the_grid() -> None:
    image = np.arange(35, dtype=np.uint16).reshape(5, 7)
    small, factor = reduced(image, 4)
    assert factor == 2
    assert small.shape == (3, 4)
    assert small[0, 0] == image[:2, :2].mean()
    back = enlarged(small > 20, factor, image.shape)
    assert back.shape == image.shape
    assert back[4, 6]
    assert not back[0, 0]


@pytest.mark.parametrize("length", [1, 2, 5, 8, 41])
def test_runs_are_an_opening_by_a_line(length: int) -> None:
    noise = np.random.default_rng(length).normal(size=(20, 40))
    mask = ndimage.gaussian_filter1d(noise, 3, axis=1) > -0.1
    assert (runs(mask, length) == ndimage.binary_opening(mask, np.ones((1, length)))).all()


def test_parts_by_size_and_by_seed() -> None:
    mask = np.zeros((6, 9), dtype=np.bool_)
    mask[1:3, 1:3] = mask[4, 5] = True
    assert large_parts(mask, 2).sum() == 4
    seeds = np.zeros_like(mask)
    seeds[4, 5] = seeds[0, 0] = True
    assert touching(mask, seeds).sum() == 1


def test_otsu_parts_two_heaps() -> None:
    generator = np.random.default_rng(0)
    values = np.concatenate([generator.normal(10, 3, 4000), generator.normal(200, 30, 1000), [90000.0]])
    assert 18 < otsu(values) < 130
