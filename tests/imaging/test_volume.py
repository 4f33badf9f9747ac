from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.imaging.seeds import generator, seed_for
from medaug.imaging.volume import Rescale, Volume, Window
from tests.support import make


def whole_range(dtype: type[np.int16 | np.uint16], slope: float, intercept: float) -> Volume:
    info = np.iinfo(dtype)
    values = np.arange(info.min, info.max + 1, dtype=dtype).reshape(1, 256, 256)
    base = make.volume((1, 256, 256))
    return replace(
        base,
        stored=values,
        rescale=(Rescale(slope, intercept),),
        stored_range=(float(info.min), float(info.max)),
        padding=None,
    )


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (0.1, 3.7), (-2.5, 1000.1), (1 / 3, 1e-3)])
def test_stored_to_modality_to_stored_is_the_identity(
    dtype: type[np.int16 | np.uint16], slope: float, intercept: float
) -> None:
    volume = whole_range(dtype, slope, intercept)
    again = volume.with_modality(volume.modality, np.ones(volume.stored.shape, dtype=bool))
    np.testing.assert_array_equal(again.stored, volume.stored)


def test_only_the_named_voxels_are_overwritten() -> None:
    volume = make.volume((2, 8, 8))
    where = np.zeros((2, 8, 8), dtype=bool)
    where[1, 2:4, 3] = True
    changed = volume.with_modality(volume.modality + 7, where)
    np.testing.assert_array_equal(changed.stored != volume.stored, where)


def test_values_are_cut_to_what_the_encoding_holds_and_kept_off_the_padding() -> None:
    volume = replace(make.volume((1, 4, 4)), stored_range=(0.0, 4095.0), padding=(100.0, 110.0))
    everywhere = np.ones((1, 4, 4), dtype=bool)
    values = np.linspace(-50, 5000, 16).reshape(1, 4, 4)
    values[0, 0, 1], values[0, 0, 2] = 103.0, 109.0
    stored = volume.with_modality(values, everywhere).stored
    assert stored.min() == 0
    assert stored.max() == 4095
    assert stored[0, 0, 1] == 99
    assert stored[0, 0, 2] == 111


def test_padding_at_the_end_of_the_range_is_left_on_the_open_side() -> None:
    volume = replace(make.volume((1, 2, 2)), stored_range=(0.0, 4095.0), padding=(0.0, 0.0))
    stored = volume.with_modality(np.zeros((1, 2, 2)), np.ones((1, 2, 2), dtype=bool)).stored
    assert np.all(stored == 1)


def test_stored_values_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make.volume((1, 4, 4)).stored[0, 0, 0] = 1


def test_windows_and_rescales_refuse_nonsense() -> None:
    assert (Window(40, 80).low, Window(40, 80).high) == (0, 80)
    assert Window.spanning(-10, 30) == Window(10, 40)
    for width in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="window"):
            Window(1, width)
    with pytest.raises(ValueError, match="slope"):
        Rescale(slope=0)


def test_a_source_key_follows_content_not_paths() -> None:
    source = make.volume((1, 4, 4)).source
    moved = replace(source, files=tuple(path.parent / "elsewhere" for path in source.files))
    assert moved.key == source.key
    assert replace(source, sha256=("0" * 64,)).key != source.key
    assert replace(source, part="slice 1").key != source.key


def test_seeds_come_from_names() -> None:
    assert seed_for("ab", "c") != seed_for("a", "bc")
    assert seed_for(7, "x") == seed_for("7", "x")
    assert generator("x", 1).random() == generator("x", 1).random() != generator("x", 2).random()


@pytest.mark.parametrize("rescale", [Rescale(), Rescale(1, -1024), Rescale(1, 0.5), Rescale(0.7, -3), Rescale(2, 1e7)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_modality_values_are_those_of_double_arithmetic(rescale: Rescale, dtype: type) -> None:
    volume = make.volume((3, 20, 20), dtype=np.uint8)
    stored = (volume.stored.astype(np.float64) * (120 if np.dtype(dtype).itemsize > 1 else 1)).astype(dtype)
    volume = replace(volume, stored=stored, rescale=(Rescale(), rescale, rescale), stored_range=(0, 30000))
    slope, intercept = (
        np.array([1, *[getattr(rescale, name)] * 2]).reshape(3, 1, 1) for name in ("slope", "intercept")
    )
    intercept[0] = 0
    wide = stored.astype(np.float64) * slope + intercept
    values = volume.modality
    np.testing.assert_array_equal(values, wide.astype(values.dtype))
    where = np.random.default_rng(1).random(stored.shape) < 0.4
    changed = values + np.random.default_rng(2).normal(0, 3, stored.shape).astype(values.dtype)
    raw = (changed.astype(np.float64) - intercept) / slope
    expected = np.clip(np.rint(raw), 0, 30000) if np.issubdtype(dtype, np.integer) else raw
    found = volume.with_modality(changed, where).stored
    np.testing.assert_array_equal(found[where], expected[where].astype(dtype))
    np.testing.assert_array_equal(found[~where], stored[~where])


@pytest.mark.parametrize("padding", [None, (100.0, 120.0)])
@pytest.mark.parametrize("slope", [1.0, 0.5])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_strips_overwrite_as_voxel_by_voxel_would(
    share: float, slope: float, padding: tuple[float, float] | None
) -> None:
    draw = np.random.default_rng(5)
    volume = replace(make.volume((2, 150, 40)), rescale=(Rescale(slope, 3),) * 2, padding=padding)
    where = draw.random(volume.stored.shape) < share
    where[:, :20] = where[0, 64:130] = False  # strips without any, and one that begins inside
    values = draw.uniform(-200, 3000, volume.stored.shape).astype(np.float32)
    values[~where] = np.nan  # what isn't asked for plays no part
    raw = np.clip(np.rint((values[where].astype(np.float64) - 3) / slope), *volume.stored_range)
    if padding is not None:
        inside = (raw >= padding[0]) & (raw <= padding[1])
        raw[inside] = np.where(raw[inside] - 99 <= 121 - raw[inside], 99, 121)
    expected = volume.stored.copy()
    expected[where] = raw
    np.testing.assert_array_equal(volume.with_modality(values, where).stored, expected)
    values[~where] = 0  # the same where all of a strip can be worked on at once
    np.testing.assert_array_equal(volume.with_modality(values, where).stored, expected)
