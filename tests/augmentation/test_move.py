"""A law that moves: the variant's kept voxels are the source's, moved by the map it states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.assemble import tools
from medaug.augmentation.augment import augment, present
from medaug.augmentation.case import Case, Variant
from medaug.augmentation.tools import Tools
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.motion import moved_boxes
from medaug.imaging.moved import lost_of, moved_plane
from medaug.profile.components import Margin, Moved
from tests.support import make
from tests.support.analytic import PixelPrior
from tests.support.cases import BOX, PROFILE, _pinned, case, changed, recipe


def bench(**law: object) -> Tools:
    regions = Moved(kind="moved", margin=Margin(value=0.04), **law)  # type: ignore[arg-type]
    return tools(PROFILE.model_copy(update={"regions": regions, "prior": _pinned()}), "cpu", PixelPrior())


def made(of: Case, seed: int = 7, **law: object) -> Variant:
    return augment(of, recipe(of, seed), bench(**law))


@pytest.mark.parametrize("what", ["image", "lesion"])
def test_what_is_kept_is_the_source_moved_by_the_stated_map(what: str) -> None:
    source = case()
    variant = made(source, what=what)
    assert variant.motions is not None
    moved = moved_plane(source.volume.stored[0], variant.motions)
    kept = variant.regions.protected[0]
    np.testing.assert_array_equal(variant.volume.stored[0][kept], moved[kept])
    np.testing.assert_array_equal(variant.before.stored[0], moved)
    assert (variant.volume.stored[0] != moved)[~kept].mean() > 0.3
    assert variant.boxes == moved_boxes(source.boxes, variant.motions, (120, 100))
    assert variant.boxes != source.boxes
    assert kept[variant.boxes[0].slices[1:]].all()
    assert (moved != source.volume.stored[0])[variant.boxes[0].slices[1:]].mean() > 0.5


def test_what_was_never_exposed_is_generated_and_seen_by_nobody() -> None:
    source = case()
    found = [made(source, seed, rotation=0, scale=0, elastic=0, shift=0.15) for seed in range(6)]
    variant = max(found, key=lambda v: lost_of(v.motions, (120, 100)).mean() if v.motions else 0)
    assert variant.motions is not None
    missing = lost_of(variant.motions, (120, 100))
    assert missing.mean() > 0.003
    assert not variant.regions.protected[0][missing].any()
    assert not variant.regions.observed[0][missing].any()


def test_the_same_recipe_moves_the_same_way_and_another_otherwise() -> None:
    source = case()
    first, again, other = made(source), made(source), made(source, 8)
    assert first.motions == again.motions != other.motions
    np.testing.assert_array_equal(first.volume.stored, again.volume.stored)


def test_the_domain_and_voxels_to_keep_move_along() -> None:
    kept = np.zeros((1, 120, 100), dtype=bool)
    kept[0, 70:90, 10:40] = True
    source = Case(case().volume, (BOX,), kept)
    drawn = recipe(source)
    from medaug.augmentation.recipe import kept_digest

    variant = augment(source, replace(drawn, kept=kept_digest(kept)), bench(elastic=0))
    assert variant.motions is not None
    painted = moved_plane(np.where(kept[0], np.uint8(200), np.uint8(0)), variant.motions)
    assert variant.regions.protected[0][painted > 150].all()
    assert not variant.regions.protected[0][75:80, 15:20].all() or (painted[75:80, 15:20] > 0).all()


def test_several_slices_are_refused_before_anything_is_drawn() -> None:
    volume = make.volume((5, 64, 64))
    several = Case(volume, (Box((1, 20, 20), (3, 40, 40), "x"),))
    with pytest.raises(RegionError) as caught:
        present(several, recipe(several), bench())
    assert caught.value.code == "not-planar"


def test_a_law_that_moves_nothing_has_no_map() -> None:
    source = case()
    variant = augment(source, recipe(source), changed(bench(), draw=None))
    assert variant.motions is None
    assert variant.before is source.volume
    assert variant.boxes == source.boxes
