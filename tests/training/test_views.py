from __future__ import annotations

import numpy as np
import pytest

from medaug.training.recipe import AugmentRecipe
from medaug.training.views import altered

STILL = AugmentRecipe(views=1, rotation=0, scale=0, window=0)
UInt8 = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def _bar(count: int = 6) -> UInt8:
    """A bright bar along the rows, 12 px left of the middle; soft, so that it can be placed to a tenth of a px."""
    across = 240 * np.exp(-(((np.arange(64) - 19.5) / 3) ** 2) / 2)
    return np.tile(np.rint(across).astype(np.uint8), (count, 64, 1))


def _names(count: int = 6) -> list[str]:
    return [f"a/{index}.png" for index in range(count)]


def test_a_view_hangs_on_seed_name_and_number_alone() -> None:
    plan = AugmentRecipe(views=2, rotation=10, scale=0.1, window=0.1)
    images, names = _bar(), _names()
    one = altered(images, names, 1, plan, 0)
    assert (one == altered(images, names, 1, plan, 0)).all()
    assert (one[::-1] == altered(images, names[::-1], 1, plan, 0)).all()
    for other in (altered(images, names, 2, plan, 0), altered(images, names, 1, plan, 1)):
        assert not any((a == b).all() for a, b in zip(one, other, strict=True))


def test_without_change_a_view_is_the_image_or_its_mirror_image() -> None:
    images = _bar(40)
    found = altered(images, _names(40), 3, STILL, 0)
    mirrored = [(view == image[:, ::-1]).all() for view, image in zip(found, images, strict=True)]
    assert all(flip or (view == image).all() for flip, view, image in zip(mirrored, found, images, strict=True))
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("rotation", [2.0, 10.0])
def test_a_bar_is_turned_about_the_centre_by_no_more_than_asked(rotation: float) -> None:
    plan = STILL.model_copy(update={"rotation": rotation})
    angles = []
    for view in altered(_bar(30), _names(30), 5, plan, 0):
        rows, weight = np.arange(4, 60), view[4:60].astype(float)
        middles = (weight * np.arange(64)).sum(axis=1) / weight.sum(axis=1)
        slope, middle = np.polyfit(rows - 31.5, middles - 31.5, 1)
        angles.append(np.degrees(np.arctan(slope)))
        assert abs(abs(middle) / np.hypot(1, slope) - 12.0) < 0.3  # the bar's distance from the centre
    assert 0.6 * rotation < max(angles) <= rotation + 0.2
    assert -rotation - 0.2 <= min(angles) < -0.6 * rotation


def test_scale_keeps_the_centre_and_stays_in_its_range() -> None:
    plan = STILL.model_copy(update={"scale": 0.25})
    image = np.zeros((30, 64, 64), dtype=np.uint8)
    image[:, 22:42, 22:42] = 255
    sides = [(view > 127).sum() ** 0.5 / 20 for view in altered(image, _names(30), 5, plan, 0)]
    assert 0.7 < min(sides) < 0.85
    assert 1.15 < max(sides) < 1.3


def test_the_window_only_narrows() -> None:
    """What was clipped stays clipped: black stays black and white white."""
    ramp = np.tile(np.arange(256, dtype=np.uint8), (20, 256, 1))
    plan = STILL.model_copy(update={"window": 0.1})
    for view in altered(ramp, _names(20), 5, plan, 0):
        line = view[0] if view[0, 0] < view[0, -1] else view[0, ::-1]
        assert (line[0], line[-1]) == (0, 255)
        assert (np.diff(line.astype(int)) >= 0).all()
        assert (line == 0).sum() + (line == 255).sum() <= 2 + 0.2 * 255
