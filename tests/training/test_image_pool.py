from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medaug.errors import PriorError
from medaug.training.image_pool import fingerprints, on_canvas, read_pool, split, split_groups
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


def _indexed(root: Path, groups: str = "ppqqrr") -> DataRecipe:
    lines = ["path,width,group"]
    for index, group in enumerate(groups):
        _save(root, f"a/{index}.png", _noise(index))
        lines.append(f"a/{index}.png,64,{group}")
    _save(root, "b/0.png", _noise(99))
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    return DataRecipe(size=64, validation=0.34, folder="a", groups="group")


def test_a_group_is_held_out_as_a_whole_and_other_folders_are_not_read(tmp_path: Path) -> None:
    pool = read_pool(tmp_path, _indexed(tmp_path))
    assert pool.names == tuple(f"a/{index}.png" for index in range(6))
    assert pool.held_out.sum() == 2
    assert (pool.held_out[::2] == pool.held_out[1::2]).all()


def test_groups_are_held_out_by_their_names_alone() -> None:
    groups = [f"p{index % 50:02}" for index in range(500)]
    held = split_groups(groups, 0.2)
    assert len({group for group, out in zip(groups, held, strict=True) if out}) == 10
    assert (held[:50] == held[50:100]).all()
    assert (split_groups(groups[::-1], 0.2) == held[::-1]).all()
    assert split_groups(["p", "q"], 0.01).sum() == split_groups(["p", "q"], 0.49).sum() == 1
    with pytest.raises(PriorError, match="at least two groups"):
        split_groups(["p", "p"], 0.2)


@pytest.mark.parametrize(("column", "row"), [("patient", ""), ("group", "a/5.png")])
def test_an_index_that_says_nothing_of_an_image_is_refused(tmp_path: Path, column: str, row: str) -> None:
    recipe = _indexed(tmp_path).model_copy(update={"groups": column})
    index = tmp_path / "index.csv"
    lines = index.read_text().splitlines()
    index.write_text("\n".join(line for line in lines if not row or not line.startswith(row)))
    with pytest.raises(PriorError, match=f"expected columns path and {column} with a row for each image"):
        read_pool(tmp_path, recipe)
    index.unlink()
    with pytest.raises(PriorError, match=r"index\.csv"):
        read_pool(tmp_path, recipe)


def test_levels_spread_an_image_between_its_percentiles(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(40, 140, 64).astype(np.uint8), (64, 1))
    for index in range(2):
        _save(tmp_path, f"a/{index}.png", ramp)
    plain, spread = (
        read_pool(tmp_path, DataRecipe(size=64, validation=0.4, levels=levels)).images[0] for levels in (None, (5, 95))
    )
    assert (plain.min(), plain.max()) == (40, 140)
    assert ((spread == 0).mean(), (spread == 255).mean()) == pytest.approx((0.05, 0.05), abs=0.03)
    assert abs(int(spread[0, 32]) - 128) < 4


def test_heads_are_cropped_to_one_box_a_group(tmp_path: Path) -> None:
    recipe = _indexed(tmp_path, "pq").model_copy(update={"crop": "head"})
    for index, side in enumerate((40, 20)):
        picture = np.zeros((128, 128), dtype=np.uint8)
        picture[30 : 30 + side, 50 : 50 + side] = 150
        _save(tmp_path, f"a/{index}.png", picture)
    for image in read_pool(tmp_path, recipe).images:
        assert 0.3 < (image > 75).mean() < 0.7  # of the whole picture: 0.10 and 0.02
