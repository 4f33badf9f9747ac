from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medaug.errors import PriorError
from medaug.training.image_pool import fingerprints, on_canvas, read_pool, split
from medaug.training.recipe import DataRecipe

RECIPE = DataRecipe(size=64, validation=0.2, shares={"a": 0.5, "b": 0.5})


def _noise(seed: int, shape: tuple[int, int] = (64, 64)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    cells = np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _save(root: Path, name: str, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    (root / name).parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels).save(root / name)


def test_the_aspect_is_kept_and_the_image_is_centred_on_black() -> None:
    canvas, extent = on_canvas(Image.fromarray(np.full((100, 50), 200, dtype=np.uint8)), 64)
    assert extent == (64, 32)
    assert (canvas[:, 16:48] == 200).all()
    assert (canvas[:, :16] == 0).all()
    assert (canvas[:, 48:] == 0).all()


def test_a_small_image_is_enlarged() -> None:
    canvas, extent = on_canvas(Image.fromarray(np.full((16, 32), 9, dtype=np.uint8)), 64)
    assert (canvas.shape, extent) == ((64, 64), (32, 64))


def test_a_pool_is_read_in_order_of_names(tmp_path: Path) -> None:
    for index in range(6):
        _save(tmp_path, f"{'ab'[index % 2]}/{index}.png", _noise(index, (80, 40)))
    pool = read_pool(tmp_path, RECIPE)
    assert pool.names == ("a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png", "b/5.png")
    assert pool.folders == ("a",) * 3 + ("b",) * 3
    assert pool.images.shape == (6, 64, 64)
    assert pool.extents.tolist() == [[64, 32]] * 6


def test_a_share_without_folder_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, "a/1.png", _noise(1))
    _save(tmp_path, "a/2.png", _noise(2))
    with pytest.raises(PriorError, match=r"2 JPEG or PNG images found, none in folders \['b'\]"):
        read_pool(tmp_path, RECIPE)


def test_the_split_hangs_on_the_path_alone() -> None:
    names = [f"x/{i}.png" for i in range(400)]
    prints = np.random.default_rng(0).integers(0, 256, (400, 30), dtype=np.uint8)
    held = split(names, prints, 0.2)
    assert 50 < held.sum() < 110
    assert (split(names[100:], prints[100:], 0.2) == held[100:]).all()


def test_near_duplicates_stay_on_one_side() -> None:
    originals = [_noise(i) for i in range(60)]
    copies = [np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8) for image in originals]
    names = [f"a/{i}.png" for i in range(60)] + [f"b/{i}.png" for i in range(60)]
    prints = fingerprints(np.stack(originals + copies))
    held = split(names, prints, 0.3)
    assert (held[:60] == held[60:]).all()
    alone = split(names[60:], prints[60:], 0.3)
    assert (alone != held[60:]).any()  # it is the group that moved them, not chance


def test_groups_that_a_third_image_joins_become_one() -> None:
    prints = np.zeros((3, 30), dtype=np.uint8)
    prints[1, :2] = 255  # 16 bits from the first: a group of its own
    prints[2, 0] = 255  # 8 bits from both
    for seed in range(20):
        held = split([f"{seed}/{i}" for i in range(3)], prints, 0.4)
        assert held.all() or not held.any()
