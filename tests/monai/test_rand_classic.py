"""`RandClassicd`: boxes and maps follow what is seen in the image, and what anatomy or a marker forbids isn't done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from medaug.errors import ProfileError
from medaug.monai import RandClassicd
from medaug.monai.rand_classic import axis_of
from medaug.profile.components import Classic
from medaug.profile.load import load_profile
from medaug.profile.profile import Profile

pytestmark = pytest.mark.filterwarnings("ignore")  # MONAI's and torch's own

SIZE = (60, 80)  # columns, rows
BOX = (12, 20, 27, 30)


def profile(**classic: Any) -> Profile:
    return load_profile("bone-xray").model_copy(update={"classic": Classic(**classic)})


def item(axes: int = 2, box: tuple[int, ...] = BOX) -> dict[str, Any]:
    """A bright lesion on a slope, its box, its map; in three dimensions in the middle two of four slices."""
    image = np.linspace(0.2, 0.4, SIZE[1], dtype=np.float32)[None].repeat(SIZE[0], axis=0)
    shown = np.zeros(SIZE, np.float32)
    shown[box[0] : box[2], box[1] : box[3]] = 1
    image = np.maximum(image, shown)
    corners: list[float] = list(box)
    if axes == 3:
        depth = np.array([0, 1, 1, 0], np.float32)
        shown = shown[..., None] * depth
        image = np.where(shown > 0, 1, image[..., None] * np.ones(4, np.float32))
        corners = [*box[:2], 1, *box[2:], 3]
    return {
        "image": MetaTensor(torch.as_tensor(image[None]), affine=torch.diag(torch.tensor([-0.5, -0.5, 2.0, 1]))),
        "map": MetaTensor(torch.as_tensor(shown[None].astype(np.uint8))),
        "box": torch.tensor([corners], dtype=torch.float32),
        "label": torch.tensor([7]),
    }


def transform(seed: int, **options: Any) -> RandClassicd:
    made = RandClassicd("image", **({"map_keys": "map", "label_key": "label"} | options))
    return made.set_random_state(seed=seed)


def extent(shown: Any) -> np.ndarray:
    """Low and high corner of what is seen."""
    places = np.argwhere(np.asarray(shown)[0])
    return np.concatenate([places.min(axis=0), places.max(axis=0) + 1])


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize(
    ("allowed", "slack"),
    [
        ({"flip": ("left-right", "up-down")}, 0.01),
        ({"scale": 0.3}, 1.01),
        ({"rotate": 90}, 1.01),
        ({"flip": ("left-right",), "rotate": 20, "scale": 0.2, "intensity": 0.3}, 1.01),
    ],
    ids=["flip", "scale", "rotate", "all"],
)
def test_boxes_and_maps_follow_the_lesion(axes: int, allowed: dict[str, Any], slack: float) -> None:
    moved = 0
    for seed in range(12):
        before = item(axes)
        after = transform(seed, profile=profile(**allowed))(before)
        assert after["image"].shape == before["image"].shape
        assert set(np.unique(after["map"])) <= {0, 1}
        np.testing.assert_allclose(after["box"][0], extent(after["map"]), atol=slack)
        np.testing.assert_allclose(extent(after["image"] > 0.7), extent(after["map"]), atol=1.01)
        assert after["label"].tolist() == [7]
        moved += not torch.equal(after["map"], before["map"])
    assert moved >= 4


def test_a_box_that_leaves_the_image_goes_with_its_label() -> None:
    given = item(box=(0, 0, 4, 4))
    given["box"] = torch.tensor([[0.0, 0, 4, 4], [20, 30, 40, 50]])
    given["label"] = torch.tensor([7, 8])
    left = [transform(seed, profile=profile(rotate=60))(given) for seed in range(12)]
    kept = {tuple(one["label"].tolist()) for one in left}
    assert kept == {(8,), (7, 8)}
    for one in left:
        assert len(one["box"]) == len(one["label"])
        assert (one["box"] >= 0).all()
        assert (one["box"][:, 2:] <= torch.tensor(SIZE)).all()


@pytest.mark.parametrize("spelled", [list, tuple, np.array, torch.tensor])
def test_labels_stay_with_their_boxes_however_they_are_given(spelled: Callable[[list[int]], Any]) -> None:
    """As monai.json lists them: numbers in a list."""
    given = item(box=(0, 0, 4, 4))
    given |= {"box": [[0, 0, 4, 4], [20, 30, 40, 50], [24, 34, 36, 46]], "label": spelled([7, 8, 9])}
    left = [transform(seed, profile=profile(rotate=60))(given) for seed in range(12)]
    assert {tuple(int(n) for n in one["label"]) for one in left} == {(8, 9), (7, 8, 9)}
    assert {type(one["label"]) for one in left} == {type(given["label"])}
    assert all(len(one["box"]) == len(one["label"]) for one in left)


def mirrored(given: dict[str, Any], **options: Any) -> set[bool]:
    """Whether it is turned round, over some draws."""
    made = transform(3, profile=profile(flip=("left-right",)), **options)
    return {not np.array_equal(made(given)["map"], given["map"]) for _ in range(12)}


def test_what_states_or_shows_a_side_is_not_mirrored() -> None:
    assert mirrored(item()) == {True, False}
    assert mirrored(item() | {"side": ""}, side_key="side") == {True, False}
    assert mirrored(item() | {"side": "L"}, side_key="side") == {False}
    for tag, side in (("00200060", {"vr": "CS", "Value": ["R"]}), ("0020|0062", "L ")):
        stated = item()
        stated["image"].meta[tag] = side
        assert mirrored(stated) == {False}
    marked = item()
    marked["image"][0, 4:6, 4:9] = 1.0  # a stroke of lead, beside a lesion that is larger than any letter
    assert mirrored(marked) == {False}


def test_left_and_right_are_told_by_the_affine_of_a_volume() -> None:
    turned = item(axes=3)["image"]
    turned.affine = torch.as_tensor(np.array([[0, 2.0, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 0], [0, 0, 0, 1]]))
    assert (axis_of("left-right", turned), axis_of("up-down", turned)) == (1, 0)
    assert (axis_of("left-right", item()["image"]), axis_of("up-down", item()["image"])) == (0, 1)


def test_one_seed_gives_one_item_and_arrays_stay_arrays() -> None:
    allowed = profile(flip=("left-right",), rotate=10, scale=0.1, intensity=0.2)
    given = item() | {"image": np.asarray(item()["image"]), "map": np.asarray(item()["map"]), "box": [list(BOX)]}
    one, two = (transform(5, profile=allowed)(given) for _ in range(2))
    assert type(one["image"]) is np.ndarray
    assert type(one["box"]) is list
    np.testing.assert_array_equal(one["image"], two["image"])
    assert one["box"] == two["box"]


def test_contrast_changes_about_the_mean_and_nothing_else() -> None:
    before = item()
    after = transform(1, profile=profile(intensity=0.5))(before)
    assert abs(float(after["image"].mean()) - float(before["image"].mean())) < 1e-3
    assert float(after["image"].std()) != pytest.approx(float(before["image"].std()), rel=0.01)
    assert torch.equal(after["map"], before["map"])


@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_whole_numbers_stay_whole_and_in_their_range(kind: Any) -> None:
    levels = (np.arange(64 * 80).reshape(1, 64, 80) % 256).astype(kind)
    for given in (levels, torch.from_numpy(levels)):
        made = RandClassicd("image", None, profile=profile(intensity=0.5)).set_random_state(seed=1)({"image": given})
        assert (type(made["image"]), made["image"].dtype) == (type(given), given.dtype)
        after, before = (np.asarray(one, dtype=float) for one in (made["image"], given))
        assert before.std() != pytest.approx(after.std(), rel=0.01)
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98, "none wrapped round"


def test_a_profile_that_allows_nothing_and_a_mirrored_chest_are_refused() -> None:
    with pytest.raises(ProfileError, match="allows nothing"):
        RandClassicd("image", profile="paper")
    chest = load_profile("chest-xray").model_dump(mode="json")
    with pytest.raises(ValueError, match="heart on the other side"):
        Profile.model_validate(chest | {"domain": ["lung"], "classic": {"flip": ["left-right"]}})
