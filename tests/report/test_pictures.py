from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar
from medaug.imaging.volume import Mask, Rescale, Volume, Window
from medaug.report.pictures import (
    BOX,
    BRIGHTER,
    DARKER,
    DOMAIN,
    LONGEST,
    NAMES,
    SHORTEST,
    UNCHANGED,
    Backdrop,
    Backdrops,
    write_previews,
)
from tests.support import make

BOXES = (Box((0, 100, 80), (1, 140, 130), "nodule"),)


def radiograph(rows: int = 400, columns: int = 300, **overrides: Any) -> Volume:
    return make.volume((1, rows, columns), **overrides)


def regions(volume: Volume, boxes: tuple[Box, ...]) -> tuple[Mask, Mask]:
    protected = np.zeros(volume.stored.shape, dtype=np.bool_)
    for box in boxes:
        protected[box.slices] = True
    observed = protected.copy()
    observed[:, 10:20, 30:60] = True
    return protected, observed


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def written(folder: Path, source: Volume, result: Volume, boxes: tuple[Box, ...] = BOXES) -> dict[str, np.ndarray]:
    protected, observed = regions(source, boxes)
    window = source.window or Window(2048, 4096)
    backdrop = Backdrop.of(source, protected, boxes, window)
    write_previews(folder, backdrop, result=result, dust=observed & ~protected)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.png" for name in NAMES)
    return {name: picture(folder / f"{name}.png") for name in NAMES}


def test_grey_levels_are_those_of_the_window(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(400, dtype=np.uint16), (400, 1))[None]
    source = radiograph(400, 400, stored=ramp, rescale=(Rescale(2.0, -100.0),), window=Window.spanning(100, 300))
    shown = written(tmp_path, source, source)["source"][:, :, 0]
    expected = np.rint(np.clip((ramp[0] * 2.0 - 100 - 100) / 200, 0, 1) * 255)
    assert shown.shape == (400, 400)
    assert np.array_equal(shown, expected)


def test_monochrome1_is_shown_bright_is_high(tmp_path: Path) -> None:
    source = radiograph()
    flipped = replace(source, stored=(4095 - source.stored).astype(np.uint16), inverted=True)
    assert np.array_equal(
        written(tmp_path / "a", source, source)["source"], written(tmp_path / "b", flipped, flipped)["source"]
    )
    unflipped = replace(flipped, inverted=False)
    assert not np.array_equal(
        written(tmp_path / "a", source, source)["source"], written(tmp_path / "c", unflipped, unflipped)["source"]
    )


@pytest.mark.parametrize("inverted", [False, True])
def test_a_brighter_pixel_is_orange_and_a_darker_one_blue(tmp_path: Path, inverted: bool) -> None:
    stored = np.full((1, 400, 400), 2000, dtype=np.uint16)
    sign = -1 if inverted else 1
    changed = stored.copy()
    changed[0, :100], changed[0, 300:] = 2000 + sign * 1500, 2000 - sign * 1500
    source = radiograph(400, 400, stored=stored, inverted=inverted)
    difference = written(tmp_path, source, replace(source, stored=changed))["difference"]
    assert tuple(difference[50, 200]) == BRIGHTER
    assert tuple(difference[200, 200]) == UNCHANGED
    assert tuple(difference[350, 200]) == DARKER


def test_the_difference_is_even_where_nothing_changed(tmp_path: Path) -> None:
    source = radiograph()
    difference = written(tmp_path, source, source)["difference"]
    assert (difference[:400] == UNCHANGED).all()
    assert difference.shape[0] > 400, "the scale stands below the picture"
    assert len(np.unique(difference[400:].reshape(-1, 3), axis=0)) > 100


def test_the_scale_states_the_window_it_is_for(tmp_path: Path) -> None:
    source = radiograph()
    one = written(tmp_path / "a", source, source)["difference"]
    other = written(tmp_path / "b", replace(source, window=Window(2048, 1000)), source)["difference"]
    assert not np.array_equal(one[400:], other[400:])


def test_regions_are_tinted_and_boxes_outlined(tmp_path: Path) -> None:
    source = radiograph(400, 300, stored=np.full((1, 400, 300), 2048, dtype=np.uint16))
    shown = written(tmp_path, source, source)["regions"]
    red, green, blue = shown[120, 105]
    assert blue > red, "protected is blue"
    red, green, blue = shown[15, 45]
    assert red > blue, "dust is yellow"
    assert green > blue
    assert len(set(shown[300, 200])) == 1, "free is not tinted"
    assert tuple(shown[100, 105]) == BOX
    assert tuple(shown[139, 105]) == BOX


def test_a_single_speck_of_dust_survives_the_shrinking(tmp_path: Path) -> None:
    source = make.volume((1, 1536, 1536))
    protected = np.zeros(source.stored.shape, dtype=np.bool_)
    observed = protected.copy()
    observed[0, 1000, 1000] = True
    window = Window(2048, 4096)
    backdrop = Backdrop.of(source, protected, (), window)
    write_previews(tmp_path / "with", backdrop, result=source, dust=observed)
    write_previews(tmp_path / "without", backdrop, result=source, dust=protected)
    one, other = (picture(tmp_path / name / "regions.png")[500, 500] for name in ("with", "without"))
    assert np.abs(one - other).max() > 20


@pytest.mark.parametrize(
    ("rows", "columns", "spacing", "size"),
    [
        (2000, 1000, (0.1, 0.1), (334, 667)),
        (500, 400, (0.1, 0.3), (768, 320)),
        (400, 500, None, (500, 400)),
        (100, 50, (0.2, 0.2), (200, 400)),
        (3, 4000, (0.1, 0.1), (667, 1)),
    ],
)
def test_pixels_are_shown_square(
    tmp_path: Path, rows: int, columns: int, spacing: tuple[float, float] | None, size: tuple[int, int]
) -> None:
    source = make.volume((1, rows, columns), geometry=planar(rows, columns, spacing))
    backdrop = Backdrop.of(source, source.padded, (Box((0, 0, 0), (1, 3, 3), "a"),), Window(2048, 4096))
    write_previews(tmp_path, backdrop, result=source, dust=source.padded)
    for name in ("source", "regions", "result"):
        assert picture(tmp_path / f"{name}.png").shape[1::-1] == size
    assert max(size) <= LONGEST
    assert max(size) >= SHORTEST


def test_a_volume_is_shown_where_its_largest_box_is(tmp_path: Path) -> None:
    stored = np.broadcast_to(np.arange(9, dtype=np.int16)[:, None, None] * 100, (9, 400, 400)).copy()
    source = make.volume((9, 400, 400), stored=stored, rescale=(Rescale(),) * 9, window=Window.spanning(0, 1000))
    boxes = (Box((0, 1, 1), (1, 9, 9), "small"), Box((5, 50, 50), (8, 90, 90), "large"))
    shown = written(tmp_path, source, source, boxes)
    assert (shown["source"] == round(600 / 1000 * 255)).all()
    assert tuple(shown["regions"][50, 70]) == BOX
    assert tuple(shown["regions"][1, 5]) != BOX, "a box of another slice is not drawn"


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    stored = np.full((3, 400, 400), 100, dtype=np.int16)
    rescale = (Rescale(1), Rescale(5), Rescale(1))
    source = make.volume((3, 400, 400), stored=stored, rescale=rescale, window=Window.spanning(0, 1000))
    assert (written(tmp_path, source, source, ())["source"] == 128).all()


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    source = radiograph()
    result = replace(source, stored=np.where(source.stored > 1000, source.stored, 0).astype(np.uint16))
    for name in "ab":
        written(tmp_path / name, source, result)
        time.sleep(0.01)
    written(tmp_path / "c", source, source)
    for name in NAMES:
        one, same = ((tmp_path / folder / f"{name}.png").read_bytes() for folder in "ab")
        assert one == same
        assert b"tIME" not in one
        assert b"tEXt" not in one
    assert (tmp_path / "a/result.png").read_bytes() != (tmp_path / "c/result.png").read_bytes()


def test_units_from_a_header_can_not_break_the_scale(tmp_path: Path) -> None:
    source = radiograph(rescale=(Rescale(units="\u202e\n<script>µ" * 40),))
    assert written(tmp_path, source, source)["difference"].shape[1] == 300


def test_a_large_radiograph_takes_a_fraction_of_a_second(tmp_path: Path) -> None:
    source = make.volume((1, 2500, 2000))
    written(tmp_path, source, source)
    started = time.process_time()
    written(tmp_path, source, source)
    assert time.process_time() - started < 1.0  # 0.2 s on an idle core; the rest is for busy machines


def test_the_domain_is_outlined_where_it_has_an_edge(tmp_path: Path) -> None:
    source = radiograph()
    domain = np.zeros(source.stored.shape, dtype=np.bool_)
    domain[:, 200:, 150:] = True
    protected, observed = regions(source, BOXES)
    dust, window = observed & ~protected, Window(2048, 4096)
    write_previews(tmp_path, Backdrop.of(source, protected, BOXES, window, domain), result=source, dust=dust)
    found = (picture(tmp_path / "regions.png") == DOMAIN).all(axis=-1)
    rows, columns = (n // m for n, m in zip(found.shape, (400, 300), strict=True))
    expected = np.zeros_like(found)
    expected[200 * rows, 150 * columns :] = expected[200 * rows :, 150 * columns] = True
    assert np.array_equal(found, expected)
    write_previews(tmp_path, Backdrop.of(source, protected, BOXES, window, domain | True), result=source, dust=dust)
    assert not (picture(tmp_path / "regions.png") == DOMAIN).all(axis=-1).any()


def test_the_backdrop_is_kept_for_the_variants_of_one_source_and_for_no_other(tmp_path: Path) -> None:
    source, other = radiograph(), radiograph(stored=np.zeros((1, 400, 300), dtype=np.uint16))
    protected, _ = regions(source, BOXES)
    domain, window, kept = np.ones_like(protected), Window(2048, 4096), Backdrops()
    first = kept.of(source, protected, BOXES, window, domain)
    assert kept.of(source, protected, BOXES, window, domain) is first
    changes: list[tuple[Any, ...]] = [
        (other, protected, BOXES, window, domain),
        (source, protected.copy(), BOXES, window, domain),
        (source, protected, (), window, domain),
        (source, protected, BOXES, Window(2048, 100), domain),
        (source, protected, BOXES, window, domain.copy()),
    ]
    for given in changes:
        found = kept.of(*given)
        assert found is not kept.of(source, protected, BOXES, window, domain)
        np.testing.assert_array_equal(found.source, Backdrop.of(*given).source)
    for name, backdrop in (("kept", first), ("anew", Backdrop.of(source, protected, BOXES, window, domain))):
        write_previews(tmp_path / name, backdrop, result=other, dust=~protected)
    for name in NAMES:
        assert (tmp_path / f"kept/{name}.png").read_bytes() == (tmp_path / f"anew/{name}.png").read_bytes()
